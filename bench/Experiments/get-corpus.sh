#!/usr/bin/env bash
# Fetches the packages of corpus.json with apt-get (source packages of Debian 12) and npm, checks them and unpacks the C# files
# into the folder FOLDER/src. Then: dotnet run -c Release --project bench -- corpus --sources FOLDER/src --output FOLDER/text
set -euo pipefail
[ $# -eq 1 ] || { echo "Usage: $0 FOLDER" >&2; exit 2; }
mkdir -p "$1"
cd "$1"
mkdir -p apt/parts apt/lists/partial apt/cache/archives/partial packages src

# Source packages are seldom switched on: read the machine's own list with "deb-src" in place of "deb", beside the system's state.
sed 's/^Types: deb$/Types: deb-src/' /etc/apt/sources.list.d/debian.sources >apt/parts/debian.sources
apt=(-o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$PWD/apt/parts"
     -o Dir::State::lists="$PWD/apt/lists" -o Dir::Cache="$PWD/apt/cache")
apt-get "${apt[@]}" update
cd packages
apt-get "${apt[@]}" source --download-only --tar-only \
    newtonsoft-json=6.0.8+dfsg-1.1 thrift=0.17.0-2 grpc=1.51.1-3 mono=6.8.0.105+dfsg-3.3
npm pack com.cysharp.unitask@2.2.5 com.neuecc.unirx@7.1.0

sha256sum --check <<'SUMS'
3b7c77da971bbe1c6fdbb5cbb634d106a86aa30c82647abd9b23d2f31be0c630  newtonsoft-json_6.0.8+dfsg.orig.tar.gz
6cde75aefc19c55c4dcdae7f22a1f67bdc30f47e41079054bebafeaee3c4d900  mono_6.8.0.105+dfsg.orig.tar.xz
f5888bcd3b8de40c2c2ab86896867ad9b18510deb412cba3e5da76fb4c604c29  thrift_0.17.0.orig.tar.gz
b55696fb249669744de3e71acc54a9382bea0dce7cd5ba379b356b12b82d4229  grpc_1.51.1.orig.tar.gz
dd89936982fc32a962ac09db926ee0bcc7ca2ab9a02c1553393031345aaf7d2f  com.cysharp.unitask-2.2.5.tgz
df5dea1b6230cda196acebc148dc6ff44fb8c610652d89001c74172312cf2618  com.neuecc.unirx-7.1.0.tgz
SUMS

for package in newtonsoft-json_6.0.8+dfsg.orig.tar.gz mono_6.8.0.105+dfsg.orig.tar.xz thrift_0.17.0.orig.tar.gz grpc_1.51.1.orig.tar.gz; do
    tar --extract --file "$package" --directory ../src --wildcards '*.cs'
done
for package in com.cysharp.unitask-2.2.5 com.neuecc.unirx-7.1.0; do
    mkdir -p "../src/$package"
    tar --extract --file "$package.tgz" --directory "../src/$package" --wildcards '*.cs'
done
