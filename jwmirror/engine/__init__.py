"""Running the pipeline: warm processes, stages, memory."""
