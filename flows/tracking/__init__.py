"""The only package that knows mlflow."""
