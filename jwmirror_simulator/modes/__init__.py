"""Every mode of observing beside plain imaging: for each a scene with its truth, exposures of it,
and the references that its pipelines ask for.
"""
