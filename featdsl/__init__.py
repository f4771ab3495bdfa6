"""featdsl: features written once, exact in training and in scoring."""

__version__ = "0.1.0"
