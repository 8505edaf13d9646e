"""Networks made elsewhere, brought into a bundle's form.

    opening     a file or folder of any known format → one ONNX network
    keras_*     Keras' own files (.h5, .keras), read as data: nothing of them is run
    openvino_*  what OpenVINO reads (.tflite, SavedModel, .pb, .xml), written as ONNX
    network     what an ONNX network takes and gives
    servable    a network and a way of reading pictures → the network of a bundle
    reading     the ways pictures are read: scale, channel order, resize
    measuring   which of them is right, told by labelled photos

Nothing here is imported by a server.
"""
