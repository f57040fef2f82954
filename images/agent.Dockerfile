# The agent, for those who have Docker; images/build.sh builds the same without. From the checkout's root:
#   docker build -f images/agent.Dockerfile -t eai-agent .
ARG RUST=rust:1.95-slim-bookworm
ARG BASE=debian:12-slim

FROM ${RUST} AS build
WORKDIR /src
COPY . .
# The image's own toolchain, so that rustup fetches none.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    RUSTUP_TOOLCHAIN="$RUST_VERSION" cargo build --locked --release -p eai-agent --bin eai-agent && cp target/release/eai-agent /eai-agent

FROM ${BASE}
# Copied rather than installed, so that no package index is needed and nothing else comes along.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /eai-agent /usr/bin/eai-agent
LABEL org.opencontainers.image.title="EAI's agent on a member" org.opencontainers.image.licenses="Apache-2.0"
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 65532:65532
WORKDIR /
ENTRYPOINT ["/usr/bin/eai-agent"]
