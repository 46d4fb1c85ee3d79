// SPDX-License-Identifier: MIT
// "legacy" of the main file: where the clients of other programs may knock.
#include "daemon/config/config.h"
#include "daemon/config/sections.h"

#include <string_view>

namespace xk::config {
using yaml::Section;

namespace {

// fwknop's own; capyknock has none.
constexpr std::uint16_t kFwknopPort = 62201;

// The port of "capyknock" or "fwknop", or 0 where it is not there.
std::uint16_t read_listener(Section& legacy, std::string_view key, std::uint16_t standard) {
    auto listener = legacy.section(key);
    if (!listener)
        return 0;
    const auto port = listener->number("port", 1, 65535);
    if (!port && standard == 0 && !listener->has("port"))
        listener->faults().add(listener->place(), "a listener needs a port", "port: 5001");
    listener->finish();
    return static_cast<std::uint16_t>(port.value_or(standard));
}

} // namespace

void read_legacy(Section& main, Config& config) {
    auto legacy = main.section("legacy");
    if (!legacy)
        return;
    config.capyknock_port = read_listener(*legacy, "capyknock", 0);
    config.fwknop_port = read_listener(*legacy, "fwknop", kFwknopPort);
    legacy->finish();
}

} // namespace xk::config
