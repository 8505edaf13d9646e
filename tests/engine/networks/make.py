"""Draws the networks in this folder: random weights of ours, written by Keras 2 (tf_keras), Keras 3 and TensorFlow.

Not run by tests, which need none of those: `pip install tensorflow-cpu tf_keras`, then `python make.py 2` and
`python make.py 3`. It also notes what the networks give for the pictures in `expected.npz`.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
SIDE = 24


def pictures() -> Any:
    """Four pictures, (4, 24, 24, 3) float32, 0..255."""
    return np.random.default_rng(7).integers(0, 256, (4, SIDE, SIDE, 3)).astype(np.float32)


def backbone(keras: Any, groups: int) -> Any:
    """A model to be nested: padding, depthwise and separable convolutions, normalisation, a gate; perhaps a grouped
    and dilated convolution.
    """
    layers = keras.layers
    slash = "_" if keras.__version__.startswith("3") else "/"  # which Keras 3 no longer allows in a name
    given = keras.Input((SIDE, SIDE, 3))
    x = layers.ZeroPadding2D(((0, 1), (0, 1)), name="stem_pad")(given)
    x = layers.Conv2D(8, 3, strides=2, use_bias=False, name=f"stem{slash}conv")(x)
    x = layers.BatchNormalization(name=f"stem{slash}norm")(x)
    x = layers.ReLU(6.0)(x)
    y = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="depthwise")(x)
    y = layers.BatchNormalization(scale=False)(y)
    y = layers.Activation("hard_sigmoid")(y)
    x = layers.Add()([x, y])
    x = layers.SeparableConv2D(12, 3, padding="same", strides=2, activation="swish")(x)
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Conv2D(12, 1, activation="sigmoid")(gate)
    x = layers.Multiply()([x, gate])
    y = layers.Conv2D(12, 3, padding="same", groups=groups, activation="gelu", dilation_rate=groups)(x)
    x = layers.Concatenate()([x, layers.LeakyReLU()(y)])
    x = layers.ZeroPadding2D(1)(x)
    return keras.Model(given, layers.MaxPooling2D(3, strides=2)(x), name="backbone")


def layered(keras: Any, groups: int = 2) -> Any:
    """Arithmetic on the input, the nested model frozen, a linear head after global pooling, softmax."""
    layers = keras.layers
    given = keras.Input((SIDE, SIDE, 3))
    x = layers.RandomFlip()(given / 127.5 - 1.0)
    inner = backbone(keras, groups)
    inner.trainable = False
    x = layers.GlobalAveragePooling2D()(inner(x, training=False))
    x = layers.Dropout(0.2)(x)
    return keras.Model(given, layers.Dense(5, activation="softmax")(x))


def binary(keras: Any) -> Any:
    """As a tutorial has it: a Sequential model with Rescaling, and one output for two classes."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(6, 3, activation="relu"),
            layers.AveragePooling2D(4),
            layers.Flatten(),
            layers.Dense(8, activation="elu"),
            layers.BatchNormalization(),
            layers.Dense(1, activation="sigmoid"),
        ]
    )


def shake(model: Any) -> None:
    """Statistics as after training: none of normalisation's numbers stays 0 or 1."""
    draw = np.random.default_rng(3)
    for weight in model.weights:
        name, shape = getattr(weight, "path", weight.name), tuple(weight.shape)
        if "variance" in name:
            weight.assign(draw.uniform(0.1, 0.5, shape))
        elif "mean" in name or "beta" in name or "bias" in name:
            weight.assign(draw.normal(0, 0.3, shape))
        elif "gamma" in name:
            weight.assign(draw.uniform(0.8, 1.2, shape))
        elif "kernel" in name and len(shape) == 4:
            weight.assign(np.asarray(weight) * 1.5)


def lite(model: Any, name: str, *, quantised: bool) -> Any:
    """Write the model as TensorFlow Lite and give what its interpreter says, dequantised."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if quantised:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([p[None]] for p in pictures())
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
    content = converter.convert()
    (HERE / name).write_bytes(content)
    interpreter = tf.lite.Interpreter(model_content=content)
    interpreter.allocate_tensors()
    (given,), (output,) = interpreter.get_input_details(), interpreter.get_output_details()
    found = []
    for picture in pictures():
        interpreter.set_tensor(given["index"], picture[None].astype(given["dtype"]))
        interpreter.invoke()
        values = interpreter.get_tensor(output["index"])[0]
        scale, zero = output["quantization"]
        found.append((values.astype(np.float32) - zero) * scale if quantised else values)
    return np.array(found)


def main(version: str) -> None:
    """Draw the networks of one version of Keras, and what they give."""
    if version == "2":
        import tf_keras as keras
    else:
        import keras
    keras.utils.set_random_seed(int(version))
    path = HERE / "expected.npz"
    expected = dict(np.load(path)) if path.exists() else {}
    expected["pictures"] = pictures().astype(np.uint8)
    for name, model in (("layered", layered(keras)), ("binary", binary(keras))):
        shake(model)
        expected[f"{name}{version}"] = model.predict(pictures(), verbose=0)
        model.save(HERE / f"{name}{version}.h5")
        model.save(HERE / f"{name}{version}.keras")
        if version == "2" and name == "binary":
            model.export(HERE / "saved_model")
    if version == "2":
        # What OpenVINO does not read is left out: a convolution that is grouped and dilated.
        model = layered(keras, groups=1)
        shake(model)
        expected["lite"] = lite(model, "lite.tflite", quantised=False)
        expected["bytes"] = lite(model, "bytes.tflite", quantised=True)
    np.savez(path, **expected)


if __name__ == "__main__":
    main(sys.argv[1])
