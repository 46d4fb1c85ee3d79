// SPDX-License-Identifier: MIT
#include "daemon/xdp/dispatcher_programs.h"

#include "daemon/xdp/library_warnings.h"
#include "daemon/xdp/link_layer.h"
#include "daemon/xdp/program.h"

#include <poll.h>

#include <string_view>

namespace xk::xdp {
namespace {

// Compares the name, because nobody knows the number of an older daemon's filter any more.
bool is_ours(const xdp_program* program) {
    const std::string_view name = xdp_program__name(program);
    return name == program_name(LinkLayer::ethernet) || name == program_name(LinkLayer::none);
}

} // namespace

bool is_dispatcher(const Multiprog& programs) { return programs && !xdp_multiprog__is_legacy(programs.get()); }

bool is_broken(const Multiprog& programs) {
    return programs && !is_dispatcher(programs) &&
           xdp_program__name(xdp_multiprog__main_prog(programs.get())) == std::string_view("xdp_dispatcher");
}

Result<Multiprog> programs_on(int ifindex) {
    for (const int patience_ms : {10, 50, 0}) {
        xdp_multiprog* const found = xdp_multiprog__get_from_ifindex(ifindex);
        const auto failure = static_cast<int>(libxdp_get_error(found));
        if (failure == -ENOENT)
            break;
        if (failure != 0)
            return libxdp_error(failure, "reading the XDP programs of interface " + std::to_string(ifindex));
        Multiprog programs(found);
        if (!is_broken(programs) || patience_ms == 0)
            return programs;
        ::poll(nullptr, 0, patience_ms); // another process may have exchanged it at the moment of reading
    }
    return Multiprog();
}

std::vector<xdp_program*> ours_in(const Multiprog& programs, std::uint32_t without) {
    std::vector<xdp_program*> ours;
    if (is_dispatcher(programs))
        for (auto* p = xdp_multiprog__next_prog(nullptr, programs.get()); p != nullptr;
             p = xdp_multiprog__next_prog(p, programs.get()))
            if (is_ours(p) && xdp_program__id(p) != without)
                ours.push_back(p);
    return ours;
}

bool has_program(const Multiprog& programs, const xdp_program* program) {
    const std::uint32_t id = xdp_program__id(program);
    return id != 0 && ours_in(programs).size() != ours_in(programs, id).size();
}

Result<void> remove_programs(const Multiprog& programs, std::vector<xdp_program*> which, int ifindex) {
    if (which.empty())
        return {};
    // Its mode must be named: a dispatcher in generic mode is not exchanged for one in native mode.
    if (const int failure = xdp_program__detach_multi(which.data(), which.size(), ifindex,
                                                      xdp_multiprog__attach_mode(programs.get()), 0);
        failure != 0)
        return libxdp_error(failure, "taking the filter away from the dispatcher");
    return {};
}

Error no_dispatcher(const std::string& what) {
    return Error{what,
                 "XDP programs share an interface on Linux 5.10 or later, not in lockdown (cat "
                 "/sys/kernel/security/lockdown), with package libxdp1; without others: \"xdp: {coexist: none}\""};
}

} // namespace xk::xdp
