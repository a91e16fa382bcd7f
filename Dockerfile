# closenotify on an exact libssl:  docker build -t closenotify . && docker run --rm closenotify
#
# What decides the bytes is pinned: the base by digest, Debian's packages by snapshot date, libssl by version,
# Go by version. A libssl that the mirror does not have, or that is not the one that gets installed, fails the
# build; nothing falls back. The binary is the same byte for byte, whenever and wherever it is built.
#
# Pins known to work (scripts/dockerfile-check tries one with the mirror that a machine has):
#   LIBSSL_VERSION      Debian  DEBIAN_MIRROR's date
#   3.5.7-1~deb13u2     13.7    20260913T000000Z
#
# Security fixes come by raising the pins.
ARG BASE_IMAGE=debian:13.7-slim@sha256:a99cfc517144bc59b1978475ec53b46ecabec7e43635402ee5b77cc54cd1b20a
ARG GO_IMAGE=golang:1.26.8-trixie
ARG DEBIAN_MIRROR=http://snapshot.debian.org/archive/debian/20260913T000000Z
ARG LIBSSL_VERSION=3.5.7-1~deb13u2

FROM ${GO_IMAGE} AS go

FROM ${BASE_IMAGE} AS libssl
ARG DEBIAN_MIRROR
ARG LIBSSL_VERSION
# A snapshot's Release file is past its Valid-Until; its signature still counts.
RUN set -eu; \
    rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/*; \
    echo "deb [check-valid-until=no signed-by=/usr/share/keyrings/debian-archive-keyring.pgp] $DEBIAN_MIRROR trixie main" \
        >/etc/apt/sources.list; \
    apt-get update; \
    apt-get install -y --no-install-recommends --allow-downgrades "libssl3t64=$LIBSSL_VERSION"; \
    test "$(dpkg-query -W -f '${Version}' libssl3t64)" = "$LIBSSL_VERSION"

FROM libssl AS build
ARG LIBSSL_VERSION
RUN apt-get install -y --no-install-recommends gcc libc6-dev pkg-config ca-certificates "libssl-dev=$LIBSSL_VERSION"
COPY --from=go /usr/local/go /usr/local/go
ARG GOPROXY=https://proxy.golang.org,direct
ENV PATH=/usr/local/go/bin:$PATH GOTOOLCHAIN=local GOWORK=off CGO_ENABLED=1 GOFLAGS=-mod=readonly
COPY . /src
WORKDIR /src/cmd/closenotify
RUN go build -trimpath -buildvcs=false -o /closenotify .

FROM libssl
ARG LIBSSL_VERSION
RUN rm -rf /var/lib/apt/lists/*
COPY --from=build /closenotify /usr/local/bin/closenotify
# The last image runs what was compiled against the very library that it loads, or is not made.
RUN closenotify --version | grep -qF "OpenSSL ${LIBSSL_VERSION%%-*} "
USER 65532:65532
ENTRYPOINT ["closenotify"]
CMD ["demo"]
