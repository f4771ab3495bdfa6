"""For training with torch: reading datasets, saving models that the server can load.

    from featdsl.torch import Dataset, save_model

Importing this imports torch.
"""

from featdsl.torch.dataset import Dataset
from featdsl.torch.saved_model import SavedModel, load_model, save_model

__all__ = ["Dataset", "SavedModel", "load_model", "save_model"]
