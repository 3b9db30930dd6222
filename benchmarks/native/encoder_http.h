/* Embedding and rerank models over Triton's HTTP. */
#ifndef ENCODER_HTTP_H
#define ENCODER_HTTP_H

void encoder_serve(int port);

#endif
