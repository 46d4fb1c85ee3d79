// SPDX-License-Identifier: MIT
//
// The decoder of capyknock's packets: the input is a packet, or what is behind the HMAC or the encryption, which the
// harness makes right then. What is accepted has only one form, and every field is within its limits.
#include "daemon/legacy/text.h"
#include "fuzz.h"
#include "tests/unit/legacy/old_clients.h"

using namespace xk;
using namespace xk::fuzz;
using namespace xk::legacy;
using legacy::test::CapyknockKey;

namespace {

// What the rest of the input is.
enum Mode : std::uint8_t { kPacket, kToken, kSealed, kPlain, kModes };

CapyknockKey counting_key() {
    CapyknockKey key;
    for (std::size_t i = 0; i < key.size(); ++i)
        key[i] = static_cast<std::uint8_t>(i);
    return key;
}

void check_request(const CapyknockRequest& request) {
    FUZZ_CHECK(is_totp_proof(request.code, kCapyknockDigits));
    FUZZ_CHECK(request.port != 0);
    FUZZ_CHECK(Address::parse(request.target.text()).value() == request.target);
    FUZZ_CHECK(!request.address || Address::parse(request.address->text()).value() == *request.address);
}

void check_token(std::string token, std::uint16_t where) {
    CapyknockKey key = counting_key();
    const auto result = decode_capyknock(token, key);
    FUZZ_CHECK(decode_capyknock(token, key) == result);
    const auto* const request = std::get_if<CapyknockRequest>(&result);
    if (request == nullptr) {
        FUZZ_CHECK(name_of(std::get<CapyknockFault>(result)) != "unknown");
        return;
    }
    check_request(*request);
    // Nothing like it is accepted, and it is nobody else's.
    const std::size_t at = where / 8 % token.size();
    token[at] = static_cast<char>(token[at] ^ (1 << where % 8));
    FUZZ_CHECK(std::holds_alternative<CapyknockFault>(decode_capyknock(token, key)));
    token[at] = static_cast<char>(token[at] ^ (1 << where % 8));
    key[0] ^= 1;
    FUZZ_CHECK(std::get<CapyknockFault>(decode_capyknock(token, key)) == CapyknockFault::hmac);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Input in(data, size);
    const auto mode = static_cast<Mode>(in.number() % kModes);
    const std::uint16_t where = in.number<std::uint16_t>();
    const ByteView rest = in.rest();
    std::string token(fuzz::text_of(rest));
    if (mode == kSealed)
        token = legacy::test::sealed_token({rest.begin(), rest.end()}, counting_key());
    if (mode == kPlain)
        token = legacy::test::fernet_token(fuzz::text_of(rest), counting_key());
    if (mode != kPacket) {
        check_token(token, where);
        return 0;
    }
    const auto result = read_capyknock_envelope(rest);
    const auto* const envelope = std::get_if<CapyknockEnvelope>(&result);
    if (envelope == nullptr) {
        FUZZ_CHECK(name_of(std::get<CapyknockFault>(result)) != "unknown");
        return 0;
    }
    FUZZ_CHECK(!envelope->name.empty() && envelope->name.size() <= kMostCapyknockName);
    FUZZ_CHECK(is_printable(envelope->name) && envelope->token.size() <= kMostCapyknock);
    check_token(envelope->token, where);
    return 0;
}
