"""Host keys as values: which are known, which are new, which have changed, and what each means for whoever wants in.

SSH proves to a client who it talks to by the server's host key (RFC 4251 section 4.1), and that is worth as much as the
client's care on the first contact and whenever the key is another one. Here is that care without any I/O: `host_key` has
a key and its fingerprint, `known_hosts` the file in which OpenSSH remembers them, and `judgement` decides about a key
that is offered.

A node is known by its name, never by its address: a lease of DHCP that ends makes no stranger of it, and another machine
that gets its address is not taken for it (`HostKeyAlias` of OpenSSH, man 5 ssh_config).
"""
