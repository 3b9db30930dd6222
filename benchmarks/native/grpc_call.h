/* Triton's gRPC service, as far as a client of a language model uses it. */
#ifndef GRPC_CALL_H
#define GRPC_CALL_H

#include "http2.h"

extern const struct h2_service triton_grpc;

#endif
