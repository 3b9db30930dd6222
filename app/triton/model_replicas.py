"""The Tritons of a configured model, over gRPC for language models and over HTTP for the others."""

from __future__ import annotations

from app.registry import LanguageModelSpec
from app.registry.specs import EncoderSpec
from app.triton.errors import not_ready
from app.triton.grpc_connection import GrpcConnection
from app.triton.http_connection import HttpConnection
from app.triton.replicas import Replicas, Sites


def language_replicas(
    spec: LanguageModelSpec, sites: Sites[GrpcConnection] | None = None
) -> Replicas[GrpcConnection]:
    """Those of a language model. `sites` may be shared by all models."""

    def probe(connection: GrpcConnection) -> None:
        model, version = spec.triton_model, spec.triton_version
        if not connection.is_model_ready(model, version, spec.timeouts.connect):
            raise not_ready(model)

    sites = sites or Sites(GrpcConnection)
    return Replicas(spec.name, spec.urls, sites, probe, spec.timeouts.connect)


def encoder_replicas(spec: EncoderSpec) -> Replicas[HttpConnection]:
    """Those of an embedding or rerank model; its timeouts are those of its connections."""
    sites = Sites(lambda address: HttpConnection(address, spec.timeouts))

    def probe(connection: HttpConnection) -> None:
        if not connection.is_model_ready(spec.triton_model, spec.triton_version):
            raise not_ready(spec.triton_model)

    return Replicas(spec.name, spec.urls, sites, probe, spec.timeouts.connect)
