"""The real world: the machine's clock on an asyncio loop, TAP and TUN, and the kernel's end of them."""
