// SPDX-License-Identifier: MIT
//
// Sends ports to the filter, as clients of sequences do.
#pragma once

#include "filter.h"

#include <string>
#include <vector>

namespace xk::test {

using Ports = std::vector<std::uint16_t>;

enum class By { datagram, syn };

// To our address of the source's family.
inline Verdict send_port(Filter& filter, std::uint16_t port, By by, const std::string& source = "192.0.2.7") {
    FrameSpec spec;
    spec.source = address(source.c_str());
    if (!spec.source.is_v4())
        spec.destination = address("2001:db8::1");
    spec.destination_port = port;
    const Verdict verdict = filter.run(by == By::syn ? tcp(spec, kSyn, port) : spec);
    CHECK(verdict.action == XDP_PASS);
    return verdict;
}

// Sends the ports and returns the verdict of the last one. No other one reports anything.
inline Verdict send_ports(Filter& filter, const Ports& ports, By by, const std::string& source = "192.0.2.7") {
    Verdict verdict;
    for (const std::uint16_t port : ports) {
        CHECK_FALSE(verdict.sequence);
        verdict = send_port(filter, port, by, source);
    }
    return verdict;
}

} // namespace xk::test
