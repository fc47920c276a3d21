"""TFDS builders for surface-defect data sets, all with the one example of `features`.

Importing this package registers every builder, so that `tfds.load("dagm2007/class_1")` finds it.
"""

from tfds_datasets.dagm2007 import dagm2007_dataset_builder as _dagm2007
from tfds_datasets.dagm_synthetic import dagm_synthetic_dataset_builder as _dagm_synthetic
from tfds_datasets.image_mask_folder import image_mask_folder_dataset_builder as _image_mask_folder
from tfds_datasets.kolektor_sdd import kolektor_sdd_dataset_builder as _kolektor_sdd
from tfds_datasets.magnetic_tile import magnetic_tile_dataset_builder as _magnetic_tile
from tfds_datasets.msd import msd_dataset_builder as _msd
from tfds_datasets.mvtec_ad import mvtec_ad_dataset_builder as _mvtec_ad
from tfds_datasets.neu_seg import neu_seg_dataset_builder as _neu_seg

DATASETS = {
    "dagm2007": _dagm2007.Builder,
    "dagm_synthetic": _dagm_synthetic.Builder,
    "image_mask_folder": _image_mask_folder.Builder,
    "kolektor_sdd": _kolektor_sdd.Builder,
    "magnetic_tile": _magnetic_tile.Builder,
    "msd": _msd.Builder,
    "mvtec_ad": _mvtec_ad.Builder,
    "neu_seg": _neu_seg.Builder,
}
