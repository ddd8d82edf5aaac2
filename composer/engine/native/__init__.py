"""The step of the model as one call, in C++: for the CPU, where in torch it is mostly waiting between operations."""
