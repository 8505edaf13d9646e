"""A graph in the making: nodes and constants added one by one, each with a name of its own."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sortline.engine.foreign.network import OPSET


class Writer:
    """Writes an ONNX graph. `node` and `constant` give the name of the tensor they made."""

    def __init__(self) -> None:
        from onnx import helper, numpy_helper  # 50 MB that a server never needs

        self._helper, self._numpy = helper, numpy_helper
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def node(self, operation: str, *inputs: str, **attributes: Any) -> str:
        """The output of one more node."""
        output = f"{operation.lower()}_{len(self._nodes)}"
        self._nodes.append(self._helper.make_node(operation, list(inputs), [output], **attributes))
        return output

    def constant(self, value: NDArray[Any] | Sequence[float] | float, dtype: type | None = None) -> str:
        """A constant tensor; numbers become float32 unless said otherwise."""
        array = np.asarray(value, dtype or (None if isinstance(value, np.ndarray) else np.float32))
        name = f"constant_{len(self._constants)}"
        self._constants.append(self._numpy.from_array(np.ascontiguousarray(array).reshape(array.shape), name))
        return name

    def integers(self, *values: int) -> str:
        """A constant of int64, as shapes, axes and pads are."""
        return self.constant(np.array(values, np.int64))

    def model(
        self,
        inputs: Mapping[str, tuple[str, Sequence[int | str]]],
        outputs: Mapping[str, Sequence[int | str] | None],
    ) -> Any:
        """The ModelProto: inputs as name → (element type, shape), outputs as name → shape, float32."""
        from onnx import TensorProto

        helper = self._helper
        for name in outputs:
            if not any(name in node.output for node in self._nodes):
                raise ValueError(f"nothing computes {name}")
        graph = helper.make_graph(
            self._nodes,
            "network",
            [
                helper.make_tensor_value_info(name, TensorProto.DataType.Value(element), shape)
                for name, (element, shape) in inputs.items()
            ],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
                for name, shape in outputs.items()
            ],
            initializer=self._constants,
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="sortline"
        )
        model.ir_version = 8
        return model
