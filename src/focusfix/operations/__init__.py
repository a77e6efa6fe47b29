"""What a user can have done to an image: a model and its parameters become a tile function."""
