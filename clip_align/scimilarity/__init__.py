"""Cells annotated by a LoRA-tuned encoder of SCimilarity's architecture (Heimberg et al. 2025).

``network`` ``folder`` ``cells``: the encoder, its files, cells in its gene space. ``pretrain``: a
source model where SCimilarity's own weights are absent. ``lora`` ``heads`` ``tune``: adapters and
classifiers. ``gates``: what must hold before a figure is believed.
"""
