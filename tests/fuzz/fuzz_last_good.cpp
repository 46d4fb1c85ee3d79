// SPDX-License-Identifier: MIT
//
// The file of the last good ruleset, of any content: refused, or a ruleset that keeps the promises of the one that was
// written. A start puts it up before it looks at anything else, so nothing in it may open what a configuration shuts.
#include "daemon/lifecycle/last_good.h"
#include "fuzz.h"

using namespace xk;
using namespace xk::fuzz;

namespace {

void check_guard(const nft::ProtectedPort& guard) {
    FUZZ_CHECK(guard.ports.protocol != IpProtocol::none);
    FUZZ_CHECK(guard.ports.first != 0 && guard.ports.first <= guard.ports.last);
    FUZZ_CHECK(guard.max_connections <= 65535);
    const bool behind = guard.target4 != Address{} || guard.target6 != Address{};
    const bool published = guard.to4 != Address{} || guard.to6 != Address{};
    FUZZ_CHECK(guard.target4 == Address{} || guard.target4.is_v4());
    FUZZ_CHECK(guard.target6 == Address{} || !guard.target6.is_v4());
    FUZZ_CHECK(published == (guard.to_port != 0));
    FUZZ_CHECK(!(behind && published));
    FUZZ_CHECK(guard.ports.is_single() || (!behind && !published && guard.max_connections == 0));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto spec = parse_last_good(text_of({data, size}));
    if (!spec) {
        FUZZ_CHECK(!spec.error().message.empty() && is_printable(spec.error().message));
        return 0;
    }
    FUZZ_CHECK(!spec->protected_ports.empty());
    for (const nft::ProtectedPort& guard : spec->protected_ports)
        check_guard(guard);
    for (const Prefix& prefix : spec->allow)
        FUZZ_CHECK(prefix.length > (prefix.is_v4() ? 96 : 0)); // nobody allows everybody
    // What is written of it says the same again, and is not read as less.
    const std::string text = last_good_text(*spec);
    const auto again = parse_last_good(text);
    FUZZ_CHECK(again && last_good_text(*again) == text);
    FUZZ_CHECK(again->protected_ports.size() == spec->protected_ports.size() &&
               again->allow.size() == spec->allow.size());
    return 0;
}
