// SPDX-License-Identifier: MIT
//
// xk-fwknop: decodes a packet of fwknop from standard input and prints its fields, or exits with 1 and the fault.
#include "daemon/legacy/fwknop.h"
#include "daemon/legacy/text.h"
#include "protocol/encoding.h"

#include <CLI/CLI.hpp>

#include <iostream>
#include <iterator>
#include <map>

using namespace xk;
using namespace xk::legacy;

namespace {

const std::map<std::string, Hash> kHashNames = {
    {"md5", Hash::md5},       {"sha1", Hash::sha1},         {"sha256", Hash::sha256},    {"sha384", Hash::sha384},
    {"sha512", Hash::sha512}, {"sha3_256", Hash::sha3_256}, {"sha3_512", Hash::sha3_512}};

std::vector<std::uint8_t> from_text(const std::string& key) {
    const ByteView bytes = bytes_of(key);
    return {bytes.begin(), bytes.end()};
}

void print(const FwknopPacket& packet) {
    std::cout << "message: " << (packet.address ? packet.address->text() : "0.0.0.0");
    for (const Endpoint& endpoint : packet.endpoints())
        std::cout << ',' << endpoint.text();
    std::cout << "\nuser: " << packet.user << "\ntimeout: " << packet.timeout
              << "\ntime: " << std::chrono::duration_cast<std::chrono::seconds>(packet.made.time_since_epoch()).count()
              << '\n';
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app("decodes a packet of fwknop");
    std::string key, hmac_key, hash = "sha256";
    app.add_option("--key", key)->required();
    app.add_option("--hmac-key", hmac_key)->required();
    app.add_option("--hmac-type", hash)->check(CLI::IsMember(kHashNames));
    CLI11_PARSE(app, argc, argv);
    const std::string wire{std::istreambuf_iterator<char>(std::cin), {}};
    const auto key_bytes = from_text(key), hmac_bytes = from_text(hmac_key);
    const auto result = decode_fwknop(bytes_of(wire), {key_bytes, hmac_bytes, kHashNames.at(hash)});
    if (const auto* const fault = std::get_if<FwknopFault>(&result)) {
        std::cout << "fault: " << name_of(*fault) << '\n';
        return 1;
    }
    print(std::get<FwknopPacket>(result));
    return 0;
}
