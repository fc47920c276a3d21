"""What kind of training a builder's models have."""

ONE_CLASS_BUILDERS = ("patch_core", "transfusion")  # trained on good images alone
MEMORY_BANK_BUILDERS = ("patch_core",)  # of these, those that remember images: nothing is fitted
FEATURE_BUILDERS = ("super_simple_net",)  # heads on a frozen network, by what the data has
