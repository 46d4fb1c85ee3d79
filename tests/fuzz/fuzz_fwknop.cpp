// SPDX-License-Identifier: MIT
//
// The decoder of fwknop's packets: the input is a packet, or what is behind the HMAC, the encryption or the digest,
// which the harness makes right then. What is accepted has only one form, and every field is within its limits.
#include "daemon/legacy/text.h"
#include "fuzz.h"
#include "tests/unit/legacy/old_clients.h"

using namespace xk;
using namespace xk::fuzz;
using namespace xk::legacy;
using legacy::test::FwknopUser;

namespace {

// What the rest of the input is.
enum Mode : std::uint8_t { kPacket, kText, kPlain, kFields, kMessage, kModes };

std::string wire_of(Mode mode, const FwknopUser& user, Hash digest, std::string_view rest) {
    using namespace legacy::test;
    switch (mode) {
    case kText:
        return signed_wire("U2FsdGVkX1" + std::string(rest), user);
    case kPlain:
        return signed_wire(encrypted(rest, user), user);
    case kFields:
        return signed_wire(encrypted(with_digest(rest, digest), user), user);
    case kMessage:
        return fwknop_wire("1234567890123456:YWxpY2U:1700000000:3.0.0:1:" + unpadded_base64(bytes_of(rest)), user);
    default:
        return std::string(rest);
    }
}

void check_packet(const FwknopPacket& packet) {
    FUZZ_CHECK(!packet.endpoints().empty() && packet.endpoints().size() <= kMostFwknopEndpoints);
    for (const Endpoint& endpoint : packet.endpoints())
        FUZZ_CHECK((endpoint.protocol == IpProtocol::tcp || endpoint.protocol == IpProtocol::udp) &&
                   endpoint.port != 0);
    FUZZ_CHECK(!packet.address || (packet.address->is_v4() && *packet.address != Address::v4(0, 0, 0, 0)));
    FUZZ_CHECK(packet.timeout <= kMostFwknopTimeout);
    FUZZ_CHECK(packet.made.time_since_epoch().count() >= 0);
    FUZZ_CHECK(!packet.user.empty() && packet.user.size() <= 48 && is_printable(packet.user));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Input in(data, size);
    const auto mode = static_cast<Mode>(in.number() % kModes);
    const std::uint8_t hashes = in.number();
    const std::uint16_t where = in.number<std::uint16_t>();
    FwknopUser user;
    for (std::size_t i = 0; i < user.hmac_key.size(); ++i)
        user.hmac_key[i] = static_cast<std::uint8_t>(i);
    for (std::size_t i = 0; i < user.key.size(); ++i)
        user.key[i] = static_cast<std::uint8_t>(0x20 + i);
    user.hash = kHashes[hashes % std::size(kHashes)];
    std::string wire = wire_of(mode, user, kHashes[hashes / 16 % std::size(kHashes)], fuzz::text_of(in.rest()));

    const auto result = decode_fwknop(bytes_of(wire), user.keys());
    FUZZ_CHECK(decode_fwknop(bytes_of(wire), user.keys()) == result);
    const auto* const packet = std::get_if<FwknopPacket>(&result);
    if (packet == nullptr) {
        const FwknopFault fault = std::get<FwknopFault>(result);
        FUZZ_CHECK(name_of(fault) != "unknown" && fault != FwknopFault::unavailable && fault != FwknopFault::keys);
        return 0;
    }
    check_packet(*packet);
    // Nothing like it is accepted, and it is nobody else's.
    const std::size_t at = where / 8 % wire.size();
    wire[at] = static_cast<char>(wire[at] ^ (1 << where % 8));
    FUZZ_CHECK(std::holds_alternative<FwknopFault>(decode_fwknop(bytes_of(wire), user.keys())));
    wire[at] = static_cast<char>(wire[at] ^ (1 << where % 8));
    user.hmac_key[0] ^= 1;
    FUZZ_CHECK(std::get<FwknopFault>(decode_fwknop(bytes_of(wire), user.keys())) == FwknopFault::hmac);
    return 0;
}
