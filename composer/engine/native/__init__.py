"""The step of the model as one call, in C++: for the CPU, where a step in torch is mostly waiting between operations."""
