// SPDX-License-Identifier: MIT
//
// The strict decoder: whatever it accepts is exactly what the encoder would have written, and follows the rules
// of docs/protocol.md, "The request".
#include "fuzz.h"
#include "protocol/request.h"

using namespace xk;
using namespace xk::fuzz;

namespace {

void check_rules(const Request& r, const RequestBytes& bytes) {
    FUZZ_CHECK(bytes[0] == 1);
    FUZZ_CHECK(name_of(r.action) != "?" && name_of(r.factor) != "?");
    if (r.address_mode == AddressMode::source) {
        FUZZ_CHECK(all_zero(r.address.bytes));
    } else {
        FUZZ_CHECK(r.address.is_grantable() && !r.address.is_loopback());
        const auto back = Address::parse(r.address.text());
        FUZZ_CHECK(back && *back == r.address);
    }
    if (r.service != 0) {
        FUZZ_CHECK(r.endpoint == Endpoint{});
    } else {
        const auto back = Endpoint::parse(r.endpoint.text());
        FUZZ_CHECK(back && *back == r.endpoint);
    }
    // Room for the arithmetic with skews, slots and both clocks.
    FUZZ_CHECK(r.clock.time_since_epoch().count() >= 0);
    FUZZ_CHECK(r.clock < WallTime(std::chrono::microseconds(std::int64_t{1} << 62)));
    FUZZ_CHECK(all_zero(r.target.bytes) == all_zero(ByteView(bytes).subspan(56, 16)));
    FUZZ_CHECK(r.target == Address{} || (r.service == 0 && r.target.is_grantable()));
}

// A request as a client fills it in is understood as it was meant.
void check_way_back(Input in) {
    Request r;
    r.action = static_cast<Action>(1 + in.number() % 4);
    r.factor = static_cast<FactorKind>(in.number() % 5);
    r.address_mode = static_cast<AddressMode>(in.number() % 3);
    r.single_use = in.flag();
    if (in.flag())
        r.service = std::max(in.number<std::uint32_t>(), 1u);
    else
        r.endpoint = {IpProtocol::udp, std::max<std::uint16_t>(in.number<std::uint16_t>(), 1)};
    r.lifetime = in.number<std::uint32_t>();
    r.clock = WallTime(std::chrono::microseconds(in.number<std::uint64_t>() >> 2));
    if (r.address_mode != AddressMode::source)
        r.address.bytes = in.bytes<16>();
    if (in.flag())
        r.target.bytes = in.bytes<16>();
    r.id = in.bytes<wire::kRequestIdSize>();
    r.proof = in.bytes<wire::kProofSize>();
    const auto back = decode_request(encode_request(r));
    if (r.address_mode != AddressMode::source && !r.address.is_grantable())
        FUZZ_CHECK(std::get<RequestFault>(back) == RequestFault::address);
    else if (r.target != Address{} && (r.service != 0 || !r.target.is_grantable()))
        FUZZ_CHECK(std::get<RequestFault>(back) == RequestFault::target);
    else
        FUZZ_CHECK(std::get<Request>(back) == r);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const RequestBytes bytes = Input(data, size).bytes<wire::kRequestSize>();
    const auto decoded = decode_request(bytes);
    if (const auto* fault = std::get_if<RequestFault>(&decoded)) {
        FUZZ_CHECK(name_of(*fault) != "?");
    } else {
        const Request& request = std::get<Request>(decoded);
        check_rules(request, bytes);
        FUZZ_CHECK(encode_request(request) == bytes);
    }
    check_way_back(Input(data, size));
    return 0;
}
