"""What a training will need before it begins: memory by component, time, disk, and the setting that fits.

Arithmetic on the model's config.json and tables of hardware; no grpc, no SQL, no torch.
"""
