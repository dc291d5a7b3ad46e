"""Fine-tuning: heads on an encoder, trained together with it or on top of it.

Lives here: the run, what it does to images and labels (augmentation, mixing), and rooms: `emotion` (heads),
`fer` (faces), `art`, `predict`. Not here: encoders and their pretraining (`pretrain`), the training loop
(`training`), reading data (`datasets`), benchmarks and metrics (`evaluation`), released weights (`zoo`).
"""
