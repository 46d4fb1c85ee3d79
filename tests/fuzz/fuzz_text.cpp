// SPDX-License-Identifier: MIT
//
// The small text forms: what a parser accepts is written in such a way that it reads the same again, and what it
// refuses it refuses in words that are safe to print.
#include "daemon/config/config.h"
#include "daemon/config/forms.h"
#include "daemon/config/week_hours.h"
#include "fuzz.h"
#include "protocol/base/duration.h"
#include "protocol/base/quote.h"
#include "protocol/encoding.h"
#include "protocol/otp.h"

#include <netinet/in.h>

using namespace xk;
using namespace xk::fuzz;

namespace {

template <typename T>
void check_refusal(const Result<T>& refused) {
    FUZZ_CHECK(!refused.error().message.empty());
    FUZZ_CHECK(is_printable(refused.error().message) && is_printable(refused.error().hint));
}

void check_address(std::string_view text) {
    const auto address = Address::parse(text);
    if (!address)
        return check_refusal(address);
    FUZZ_CHECK(Address::parse(address->text()).value() == *address);
    FUZZ_CHECK(!address->is_global() || address->is_grantable());
    FUZZ_CHECK(!address->is_loopback() || !address->is_grantable());
    sockaddr_storage storage;
    FUZZ_CHECK(address->to_sockaddr(storage, 22) <= sizeof storage);
    FUZZ_CHECK(Address::of(reinterpret_cast<const sockaddr&>(storage)) == *address);
    const auto alone = Prefix::parse(text);
    FUZZ_CHECK(alone && *alone == Prefix::of(*address));
}

void check_prefix(std::string_view text) {
    const auto prefix = Prefix::parse(text);
    if (!prefix)
        return check_refusal(prefix);
    FUZZ_CHECK(Prefix::parse(prefix->text()).value() == *prefix);
    FUZZ_CHECK(prefix->length <= 128);
    FUZZ_CHECK(prefix->contains(*prefix) && prefix->contains(prefix->address));
    FUZZ_CHECK(prefix->address <= prefix->last());
    // A network of IPv6 that reaches over ::ffff:0:0/96 does not contain the addresses of IPv4 in it.
    if (prefix->is_v4() == prefix->last().is_v4())
        FUZZ_CHECK(prefix->contains(prefix->last()));
    FUZZ_CHECK(prefix->is_single() == (prefix->address == prefix->last()));
}

void check_service(std::string_view text) {
    const auto endpoint = Endpoint::parse(text);
    if (!endpoint)
        check_refusal(endpoint);
    else
        FUZZ_CHECK(endpoint->port != 0 && Endpoint::parse(endpoint->text()).value() == *endpoint);
    FUZZ_CHECK(service_id(text) != 0);
}

void check_times(std::string_view text) {
    if (const auto duration = parse_duration(text)) {
        FUZZ_CHECK(duration->count() >= 0 && duration->count() <= UINT32_MAX);
        FUZZ_CHECK(parse_duration(duration_text(*duration)).value() == *duration);
    } else {
        check_refusal(duration);
    }
    const auto date = config::parse_date(text);
    if (!date)
        return check_refusal(date);
    const auto day = std::chrono::floor<std::chrono::days>(*date);
    const std::chrono::year_month_day parts(day);
    const std::chrono::hh_mm_ss time(*date - day);
    char again[64];
    std::snprintf(again, sizeof again, "%04d-%02u-%02uT%02d:%02d:%02dZ", static_cast<int>(parts.year()),
                  static_cast<unsigned>(parts.month()), static_cast<unsigned>(parts.day()),
                  static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
                  static_cast<int>(time.seconds().count()));
    FUZZ_CHECK(std::string_view(again).substr(0, text.size() == 10 ? 10 : 20) == text);
}

void check_encodings(std::string_view text) {
    if (const auto bytes = from_hex<16>(text)) {
        std::string lower(text);
        for (char& c : lower)
            if (c >= 'A' && c <= 'F')
                c = static_cast<char>(c - 'A' + 'a');
        FUZZ_CHECK(to_hex(*bytes) == lower);
    }
    for (const std::size_t size : {1u, 3u, 16u, 32u}) {
        std::vector<std::uint8_t> bytes(size);
        if (from_base64(text, bytes))
            FUZZ_CHECK(to_base64(bytes) == text); // one text for one value
    }
    Bytes<64> secret;
    if (const std::size_t size = from_base32(text, secret)) {
        FUZZ_CHECK(size <= secret.size());
        Bytes<64> again;
        FUZZ_CHECK(from_base32(to_base32(ByteView(secret).first(size)), again) == size);
        FUZZ_CHECK(std::equal(secret.begin(), secret.begin() + static_cast<std::ptrdiff_t>(size), again.begin()));
    }
}

// The other way about: bytes to text and back.
void check_bytes(ByteView bytes) {
    if (bytes.empty())
        return;
    std::vector<std::uint8_t> back(bytes.size());
    FUZZ_CHECK(from_base64(to_base64(bytes), back) && std::ranges::equal(back, bytes));
    if (bytes.size() > 64)
        return;
    FUZZ_CHECK(from_base32(to_base32(bytes), back) == bytes.size() && std::ranges::equal(back, bytes));
    if (bytes.size() == 16) {
        Address address;
        std::ranges::copy(bytes, address.bytes.begin());
        FUZZ_CHECK(Address::parse(address.text()).value() == address);
        FUZZ_CHECK(std::ranges::equal(from_hex<16>(to_hex(bytes)).value(), bytes));
    }
}

void check_words(std::string_view text) {
    FUZZ_CHECK(is_printable(printable(text)) && is_printable(in_quotes(text, 8)));
    if (is_name(text))
        FUZZ_CHECK(text.size() <= kMaxName && printable(text) == text && text.find('/') == text.npos);
    for (const unsigned digits : {6u, 8u})
        if (const auto proof = totp_proof(text, digits))
            FUZZ_CHECK(is_totp_proof(*proof, digits) && text.size() == digits &&
                       text.find_first_not_of("0123456789") == text.npos);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = text_of({data, size});
    check_address(text);
    check_prefix(text);
    check_service(text);
    check_times(text);
    check_encodings(text);
    check_bytes({data, size});
    check_words(text);
    return 0;
}
