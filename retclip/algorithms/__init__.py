"""The paper's and FC-CLIP's formulas as functions of arrays: no file, no device, no model."""
