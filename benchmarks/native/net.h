/* TCP sockets on this machine, never blocking and without Nagle's delay. */
#ifndef NET_H
#define NET_H

/* A socket that listens on 127.0.0.1; ends the program with a sentence if that fails. */
int net_listen(int port);
/* The next waiting connection, or -1. */
int net_accept(int listener);
/* A socket that is being connected to an IPv4 address, or -1 with errno. */
int net_connect(const char *address, int port);
/* 0, or the errno of a connection that was being made. */
int net_error(int fd);

#endif
