// SPDX-License-Identifier: MIT
#include "protocol/request.h"

#include <doctest/doctest.h>

using namespace xk;

namespace {

Request plain() {
    Request r;
    r.endpoint = {IpProtocol::tcp, 22};
    r.clock = WallTime(std::chrono::microseconds(1'700'000'000'000'000));
    r.id = {1, 2, 3};
    return r;
}

std::optional<RequestFault> fault_with(std::size_t offset, std::uint8_t value, const Request& r = plain()) {
    RequestBytes bytes = encode_request(r);
    bytes[offset] = value;
    const auto decoded = decode_request(bytes);
    if (const auto* fault = std::get_if<RequestFault>(&decoded))
        return *fault;
    return std::nullopt;
}

Address address(const char* text) { return Address::parse(text).value(); }

} // namespace

TEST_CASE("what was encoded is decoded") {
    Request r = plain();
    CHECK(std::get<Request>(decode_request(encode_request(r))) == r);
    r.action = Action::close_all;
    r.factor = FactorKind::sk_ed25519;
    r.address_mode = AddressMode::delegated;
    r.address = address("2001:db8::1");
    r.endpoint = {};
    r.service = 0xfedcba98;
    r.single_use = true;
    r.lifetime = 0xffffffff;
    r.proof.fill(0xaa);
    CHECK(std::get<Request>(decode_request(encode_request(r))) == r);
}

TEST_CASE("every value of the enumerated bytes that is not defined is refused") {
    for (unsigned value = 0; value < 256; ++value) {
        const auto byte = static_cast<std::uint8_t>(value);
        CHECK(fault_with(0, byte).has_value() == (value != 1));
        CHECK(fault_with(1, byte).has_value() == (value < 1 || value > 4));
        CHECK(fault_with(2, byte).has_value() == (value > 5));
        CHECK(fault_with(3, byte).has_value() == (value != 0)); // 1 and 2 want an address
        CHECK(fault_with(4, byte).has_value() == (value != 6 && value != 17 && value != 132));
        CHECK(fault_with(5, byte).has_value() == (value > 1));
    }
    CHECK(fault_with(0, 2) == RequestFault::version);
    CHECK(fault_with(1, 0) == RequestFault::action);
    CHECK(fault_with(2, 6) == RequestFault::factor);
    CHECK(fault_with(3, 3) == RequestFault::address_mode);
    CHECK(fault_with(4, 1) == RequestFault::protocol);
    CHECK(fault_with(5, 2) == RequestFault::flags);
}

TEST_CASE("a target is the unicast address of a host behind the server, and never together with a service") {
    Request r = plain();
    for (const char* good : {"198.51.100.7", "2001:db8::7", "10.0.0.1", "fd00::1"}) {
        r.target = Address::parse(good).value();
        CHECK(std::get<Request>(decode_request(encode_request(r))) == r);
    }
    for (const char* bad : {"127.0.0.1", "::1", "224.0.0.1", "ff02::1", "fe80::1", "169.254.0.1", "255.255.255.255"}) {
        r.target = Address::parse(bad).value();
        CHECK(std::get<RequestFault>(decode_request(encode_request(r))) == RequestFault::target);
    }
    r.target = Address::parse("198.51.100.7").value();
    r.endpoint = {};
    r.service = 7;
    CHECK(std::get<RequestFault>(decode_request(encode_request(r))) == RequestFault::target);
    r.target = {};
    CHECK(std::get<Request>(decode_request(encode_request(r))) == r);
    CHECK(fault_with(71, 1) == RequestFault::target); // ::1
}

TEST_CASE("a port without a service, or a service without a port, and never both") {
    Request r = plain();
    r.endpoint.port = 0;
    CHECK(std::get<RequestFault>(decode_request(encode_request(r))) == RequestFault::port);
    r.service = 7;
    CHECK(std::get<RequestFault>(decode_request(encode_request(r))) == RequestFault::protocol);
    r.endpoint.protocol = IpProtocol::none;
    CHECK(std::holds_alternative<Request>(decode_request(encode_request(r))));
    r.endpoint.port = 22;
    CHECK(std::get<RequestFault>(decode_request(encode_request(r))) == RequestFault::port);
    r.endpoint.port = 0;
    r.service = 0;
    CHECK(std::get<RequestFault>(decode_request(encode_request(r))) == RequestFault::protocol);
}

TEST_CASE("an address is given exactly where the mode says so, and is one to open for") {
    Request r = plain();
    r.address = address("192.0.2.1");
    CHECK(std::get<RequestFault>(decode_request(encode_request(r))) == RequestFault::address);
    for (const auto mode : {AddressMode::bound, AddressMode::delegated}) {
        r.address_mode = mode;
        for (const char* good : {"192.0.2.1", "10.0.0.1", "2001:db8::1"}) {
            r.address = address(good);
            CHECK_MESSAGE(std::holds_alternative<Request>(decode_request(encode_request(r))), good);
        }
        for (const char* bad : {"::", "::1", "0.0.0.0", "127.0.0.1", "169.254.0.1", "224.0.0.1", "255.255.255.255",
                                "fe80::1", "ff02::1", "::192.0.2.1"}) {
            r.address = address(bad);
            CHECK_MESSAGE(std::get<RequestFault>(decode_request(encode_request(r))) == RequestFault::address, bad);
        }
        r.address = Address{};
        CHECK(std::get<RequestFault>(decode_request(encode_request(r))) == RequestFault::address);
    }
}

TEST_CASE("a clock beyond the range of time is refused") {
    CHECK(fault_with(16, 0x40) == RequestFault::clock);
    CHECK(fault_with(16, 0xff) == RequestFault::clock);
    CHECK_FALSE(fault_with(16, 0x3f).has_value());
    Request first = plain();
    first.clock = WallTime{};
    CHECK(fault_with(16, 0x40, first) == RequestFault::clock); // the first one that is beyond it
}

TEST_CASE("a second factor of a configuration has one of four names") {
    CHECK(parse_factor_kind("none").value() == FactorKind::none);
    CHECK(parse_factor_kind("totp").value() == FactorKind::totp);
    CHECK(parse_factor_kind("hotp").value() == FactorKind::hotp);
    CHECK(parse_factor_kind("hmac").value() == FactorKind::hmac);
    for (const char* text : {"", "TOTP", "totp ", "ed25519", "sk-ed25519", "?"}) {
        const auto refused = parse_factor_kind(text);
        REQUIRE_MESSAGE(!refused, text);
        CHECK(refused.error().message == "\"" + std::string(text) + "\" is not a second factor");
        CHECK(refused.error().hint == "write totp, hotp, hmac or none");
    }
}

TEST_CASE("no two byte strings mean the same request") {
    const RequestBytes bytes = encode_request(plain());
    for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
        RequestBytes changed = bytes;
        changed[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
        const auto decoded = decode_request(changed);
        if (const auto* request = std::get_if<Request>(&decoded)) {
            CHECK(*request != plain());
            CHECK(encode_request(*request) == changed);
        }
    }
}

TEST_CASE("every fault, action and factor has a name of its own") {
    std::vector<std::string_view> names;
    for (int i = 0; i <= static_cast<int>(RequestFault::target); ++i)
        names.push_back(name_of(static_cast<RequestFault>(i)));
    for (int i = 1; i <= 4; ++i)
        names.push_back(name_of(static_cast<Action>(i)));
    for (std::size_t i = 0; i < names.size(); ++i)
        for (std::size_t j = 0; j < i; ++j)
            CHECK(names[i] != names[j]);
    CHECK(name_of(FactorKind::totp) == "totp");
    CHECK(name_of(FactorKind::hotp) == "hotp");
}
