// SPDX-License-Identifier: MIT
// "interfaces", "stealth" and "clock_skew": single keys of the main file.
#include "daemon/config/config.h"
#include "daemon/config/sections.h"
#include "protocol/base/duration.h"
#include "protocol/base/quote.h"

#include <net/if.h>

#include <algorithm>

namespace xk::config {
using yaml::EmptyList;
using yaml::Scalar;
using yaml::Section;

namespace {

constexpr std::chrono::seconds kMinSkew{1}, kMaxSkew{90};

bool is_interface(const std::string& name) {
    return !name.empty() && name.size() < IFNAMSIZ && name.find_first_of("/ \t:") == name.npos;
}

} // namespace

void read_interfaces(Section& main, Config& config) {
    main.require("interfaces");
    const auto names = main.scalars("interfaces", EmptyList::fine);
    if (names && names->empty())
        main.faults().add(main.place_of_key("interfaces"), "there is no interface: nobody could knock");
    for (const Scalar& name : names.value_or(std::vector<Scalar>{})) {
        if (!is_interface(name.value))
            main.faults().add(name.place, in_quotes(name.value) + " is not a name of an interface");
        else if (std::ranges::find(config.interfaces, name.value) != config.interfaces.end())
            main.faults().add(name.place, "interface " + in_quotes(name.value) + " is there twice");
        else
            config.interfaces.push_back(name.value);
    }
}

bool read_stealth(Section& section) {
    const auto stealth = section.scalar("stealth");
    if (stealth && stealth->value != "closed" && stealth->value != "drop")
        section.faults().add(stealth->place, in_quotes(stealth->value) + " is neither drop nor closed");
    return stealth && stealth->value == "closed";
}

void read_clock_skew(Section& main, Config& config) {
    const auto skew = main.scalar("clock_skew");
    const auto value = skew ? main.parse_at(*skew, parse_duration) : std::nullopt;
    if (!value)
        return;
    config.policy.settings.skew = *value;
    if (*value < kMinSkew || *value > kMaxSkew)
        main.faults().add(skew->place,
                          "a clock skew must be from " + duration_text(kMinSkew) + " to " + duration_text(kMaxSkew));
}

} // namespace xk::config
