"""The simulated world: SimPy's virtual time, wires, switches, and the topologies made of them."""
