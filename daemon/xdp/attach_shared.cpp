// SPDX-License-Identifier: MIT
//
// The filter in libxdp's dispatcher.
#include "daemon/xdp/component.h"
#include "daemon/xdp/filter.h"
#include "daemon/xdp/link_layer.h"
#include "daemon/xdp/pins.h"
#include "protocol/base/quote.h"

#include <sys/stat.h>
#include <unistd.h>

namespace xk::xdp {

Result<void> Filter::make_components(const FilterSettings& settings, const std::string& maps) {
    for (const LinkLayer layer : {LinkLayer::ethernet, LinkLayer::none}) {
        auto program = Program::open(settings, maps);
        if (!program)
            return std::move(program).error();
        auto component = Component::make(*std::move(program), layer, settings.run_priority);
        if (!component)
            return std::move(component).error();
        components_[static_cast<std::size_t>(layer)] = std::make_unique<Component>(*std::move(component));
    }
    return {};
}

// The directory tells later processes that the filter is in a dispatcher, or may be.
Result<Attachment> Filter::attach_shared(Attachment at, LinkLayer layer, bool allow_generic) {
    if (const std::string share = pin_of_share(pins_, at.interface);
        ::mkdir(share.c_str(), 0700) != 0 && errno != EEXIST)
        return os_error("making " + in_quotes(share));
    // A link and a dispatcher exclude each other, so there is a moment without either; the ruleset stands meanwhile.
    if (const std::string pin = pin_of_link(pins_, at.interface); ::access(pin.c_str(), F_OK) == 0)
        detach_link(pin);
    auto generic = components_[static_cast<std::size_t>(layer)]->attach(at.interface, at.ifindex, allow_generic);
    if (!generic)
        return generic.error();
    at.mode = *generic ? Mode::generic : Mode::native;
    return at;
}

} // namespace xk::xdp
