"""Writes the shop's model as SavedModels: `.venv-tensorflow/bin/python tests/online/tf_shop.py FOLDER`.

FOLDER/<weight> has the right one of that weight; FOLDER/wrong takes other inputs than the program makes.
"""

import sys
from pathlib import Path

import tensorflow as tf

FLOAT, INT = tf.float32, tf.int64


def save(folder: Path, weight: float, dense: tf.TensorSpec, tags: str = "tags") -> None:
    module = tf.Module()
    once = tf.TensorSpec([1, 2], FLOAT)
    specs = {"dense": dense, tags: tf.TensorSpec([None, 3], INT), "shopper_once": once}

    def score(**inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        like = tf.reduce_sum(tf.cast(inputs["dense"], FLOAT), axis=1) * weight
        return {"like": like, "buy": tf.fill([tf.shape(like)[0], 1], tf.constant(weight, FLOAT))}

    module.score = tf.function(score)
    signature = module.score.get_concrete_function(
        **{n: tf.TensorSpec(s.shape, s.dtype, n) for n, s in specs.items()}
    )
    tf.saved_model.save(module, str(folder), signatures=signature)


out = Path(sys.argv[1])
for weight in (2.0, 3.0, 4.0):
    save(out / f"{weight}", weight, tf.TensorSpec([None, 5], FLOAT))
save(out / "wrong", 1.0, tf.TensorSpec([None, 4], tf.float64), "labels")
