"""For training with torch: reading datasets, embeddings by 64-bit id, saving models that the server can load.

    from featdsl.torch import Dataset, EmbeddingTable, RowAdagrad, save_model

Importing this imports torch.
"""

from featdsl.torch.dataset import Dataset
from featdsl.torch.embedding_table import EmbeddingTable
from featdsl.torch.row_optimizers import RowAdagrad, RowAdam, RowSGD
from featdsl.torch.saved_model import SavedModel, load_model, save_model

__all__ = [
    "Dataset",
    "EmbeddingTable",
    "RowAdagrad",
    "RowAdam",
    "RowSGD",
    "SavedModel",
    "load_model",
    "save_model",
]
