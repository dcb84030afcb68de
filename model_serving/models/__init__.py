"""The models: one in each file, a subclass of ``model_serving.serving.Model``."""
