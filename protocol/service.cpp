// SPDX-License-Identifier: MIT
#include "protocol/service.h"

#include "protocol/base/bytes.h"
#include "protocol/base/quote.h"

#include <sodium.h>

#include <charconv>

namespace xk {

std::string_view name_of(IpProtocol protocol) {
    switch (protocol) {
    case IpProtocol::tcp:
        return "tcp";
    case IpProtocol::udp:
        return "udp";
    case IpProtocol::sctp:
        return "sctp";
    case IpProtocol::none:
        break;
    }
    return "none";
}

Result<Endpoint> Endpoint::parse(std::string_view text) {
    const auto slash = text.find('/');
    if (slash != std::string_view::npos) {
        const std::string_view name = text.substr(0, slash);
        const std::string_view digits = text.substr(slash + 1);
        std::uint16_t port = 0;
        const char* const last = digits.data() + digits.size();
        const auto [end, code] = std::from_chars(digits.data(), last, port);
        for (const auto protocol : {IpProtocol::tcp, IpProtocol::udp, IpProtocol::sctp})
            if (name == name_of(protocol) && code == std::errc{} && end == last && port != 0)
                return Endpoint{protocol, port};
    }
    return Error{in_quotes(text) + " is not a protocol and a port",
                 "write tcp/22, udp/51820 or sctp/5000"};
}

std::string Endpoint::text() const {
    return std::string(name_of(protocol)) + "/" + std::to_string(port);
}

ServiceId service_id(std::string_view name) {
    const std::string input = "xknock/1 service " + std::string(name);
    Bytes<32> hash;
    crypto_generichash(hash.data(), hash.size(), reinterpret_cast<const unsigned char*>(input.data()),
                       input.size(), nullptr, 0);
    const auto id = load_be<std::uint32_t>(field<0, 4>(std::span<const std::uint8_t, 32>(hash)));
    return id == 0 ? 1 : id;
}

} // namespace xk
