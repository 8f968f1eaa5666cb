"""The transformations users call. Each flattens its arguments, traces the function and runs an interpreter."""
