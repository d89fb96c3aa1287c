"""Sentences: what happens when. The only code that knows Prefect, MLflow and the environment."""
