// SPDX-License-Identifier: MIT
//
// The filter on interfaces: links of our own, or a place in libxdp's dispatcher.
#include "daemon/xdp/component.h"
#include "daemon/xdp/dispatcher.h"
#include "daemon/xdp/filter.h"
#include "daemon/xdp/hook_query.h"
#include "daemon/xdp/library_warnings.h"
#include "daemon/xdp/link_layer.h"
#include "daemon/xdp/links.h"
#include "daemon/xdp/pinned_maps.h"
#include "daemon/xdp/pins.h"
#include "protocol/base/entries.h"
#include "protocol/base/fd.h"
#include "protocol/base/quote.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

namespace xk::xdp {
namespace {

namespace fs = std::filesystem;

// The driver's own text for its refusal of native mode. bpf_link_create() returns only a number; the older netlink
// request returns the text too (extended acknowledgement).
std::string words_of_driver(int ifindex, int program) {
    record_libbpf_warnings();
    LIBBPF_OPTS(bpf_xdp_attach_opts, options);
    constexpr __u32 kFlags = XDP_FLAGS_DRV_MODE | XDP_FLAGS_UPDATE_IF_NOEXIST;
    if (bpf_xdp_attach(ifindex, program, kFlags, &options) == 0)
        (void)bpf_xdp_detach(ifindex, kFlags, &options); // native mode became possible between the two requests
    const std::string_view begin = "Kernel error message: ";
    return last_libbpf_warning().starts_with(begin) ? last_libbpf_warning().substr(begin.size()) : std::string();
}

std::string or_below(const std::string& interface) {
    std::string list;
    for (const std::string& below : interfaces_below(interface))
        list += (list.empty() ? "; or name what it is made of in its place: " : ", ") + below;
    return list;
}

Error no_native_mode(int code, const Attachment& at, int program, std::uint32_t mtu) {
    Error error = os_error_of(code, "attaching to " + in_quotes(at.interface) + " in native mode");
    if (const std::string words = words_of_driver(at.ifindex, program); !words.empty())
        error.message += " (" + printable(words) + ")";
    const std::uint32_t most = largest_mtu_in_a_page();
    error.hint = mtu > most ? "its MTU is " + std::to_string(mtu) +
                                  ", and its driver or this kernel (before 5.18) wants each packet in one page: "
                                  "ip link set dev " +
                                  at.interface + " mtu " + std::to_string(most) + "; or "
                            : "its driver has no native XDP, or not with these settings (LRO, queues); ";
    error.hint += "\"xdp: {allow_generic: true}\" accepts the slower generic mode" + or_below(at.interface);
    return error;
}

// Since Linux 5.15 a program on an interface excludes programs on the interfaces that it is made of. Then the other
// program is not on this interface.
Error occupied(int failure, const Attachment& at, const std::string& pin) {
    const auto there = query_hook_of(at, pin);
    if (!there)
        return there.error();
    if (failure == EEXIST && there->mode == Mode::none)
        return Error{"an interface above " + in_quotes(at.interface) +
                         " has an XDP program, and then the kernel takes none here",
                     "name only one of the two in \"interfaces\""};
    // The kernel tells the name only to those who may look it up (CAP_SYS_ADMIN).
    const std::string name = there->name.empty() ? "" : " " + in_quotes(there->name);
    return Error{"XDP program id " + std::to_string(there->program) + name + " is attached to interface " +
                     in_quotes(at.interface),
                 "bpftool net show dev " + at.interface +
                     " says more; if it is xdp_dispatcher, "
                     "\"xdp: {coexist: libxdp}\" adds the filter to it; else take it away first"};
}

// In the mode that the kernel has chosen.
Attachment attached(Attachment at, const std::string& pin) {
    const auto there = query_hook_of(at, pin);
    at.mode = there && there->mode == Mode::generic ? Mode::generic : Mode::native;
    return at;
}

} // namespace

Result<Attachment> Filter::attach(const std::string& interface, bool allow_generic) {
    Attachment at{interface, index_of_interface(interface), Mode::native};
    if (at.ifindex == 0)
        at.ifindex = interface_of_link(pin_of_link(pins_, interface)); // it has another name now
    if (at.ifindex == 0)
        return Error{"there is no interface " + in_quotes(interface), "interfaces here: " + known_interfaces()};
    auto its = read_link(at.ifindex);
    if (!its)
        return std::move(its).error().within(interface);
    allow_generic |= its->layer == LinkLayer::none;
    return is_shared() ? attach_shared(std::move(at), its->layer, allow_generic)
                       : attach_alone(std::move(at), its->layer, allow_generic, its->mtu);
}

Result<Attachment> Filter::attach_alone(Attachment at, LinkLayer layer, bool allow_generic, std::uint32_t mtu) {
    if (const std::string share = pin_of_share(pins_, at.interface); ::access(share.c_str(), F_OK) == 0) {
        if (auto alone = replace_dispatcher(at.interface, at.ifindex); !alone)
            return alone.error();
        ::rmdir(share.c_str());
    }
    const std::string pin = pin_of_link(pins_, at.interface);
    rename_pin_of_link(pins_, at.ifindex, pin);
    if (::access(pin.c_str(), F_OK) == 0) {
        if (auto taken = take_over(at, layer, pin); taken && (taken->mode == Mode::native || allow_generic))
            return taken;
        // The link is useless: its interface is gone, somebody detached it, or its mode is not allowed any more.
        detach_link(pin);
    }
    const int program = program_fd(layer);
    LIBBPF_OPTS(bpf_link_create_opts, native, .flags = XDP_FLAGS_DRV_MODE);
    Fd link(bpf_link_create(program, at.ifindex, BPF_XDP, &native));
    if (!link && (errno == EBUSY || errno == EEXIST))
        return occupied(errno, at, pin);
    if (!link && !allow_generic)
        return no_native_mode(errno, at, program, mtu);
    if (!link) {
        LIBBPF_OPTS(bpf_link_create_opts, generic, .flags = XDP_FLAGS_SKB_MODE);
        link.reset(bpf_link_create(program, at.ifindex, BPF_XDP, &generic));
    }
    if (!link)
        return libbpf_error(errno, "attaching to " + in_quotes(at.interface), kKernelHint);
    if (bpf_obj_pin(link.get(), pin.c_str()) != 0)
        return os_error("pinning the link as " + in_quotes(pin));
    return attached(std::move(at), pin);
}

Result<Attachment> Filter::take_over(const Attachment& at, LinkLayer layer, const std::string& pin) {
    const Fd link(bpf_obj_get(pin.c_str()));
    if (!link)
        return os_error("opening " + in_quotes(pin));
    if (interface_of_link(pin) != at.ifindex)
        return Error{"the pinned link is of another interface", {}};
    LIBBPF_OPTS(bpf_link_update_opts, options);
    if (bpf_link_update(link.get(), program_fd(layer), &options) != 0)
        return os_error("exchanging the program on " + in_quotes(at.interface));
    return attached(at, pin);
}

bool Filter::is_attached(const Attachment& attachment) const {
    const int named = index_of_interface(attachment.interface);
    if (is_shared())
        return std::ranges::any_of(components_, [&](const auto& component) {
            return component->is_attached(named != 0 ? named : attachment.ifindex);
        });
    // The kernel forgets the interface when it goes, or when the link is detached.
    const int linked = interface_of_link(pin_of_link(pins_, attachment.interface));
    return linked != 0 && linked == attachment.ifindex && (named == 0 || named == linked);
}

void Filter::detach_others(const std::vector<std::string>& interfaces) {
    const auto is_named = [&](const std::string& pin) {
        return std::ranges::find(interfaces, interface_of_pin(pin)) != interfaces.end();
    };
    std::error_code code;
    for (const auto& entry : entries_of(pins_, code)) {
        const std::string name = entry.path().filename();
        if (is_link(name) && !is_named(name))
            detach_link(entry.path());
        else if (is_share(name) && !is_named(name))
            (void)remove_share(entry.path()); // the next configuration tries again
        // By now all links of ours run this program, so other releases' maps have no reader.
        else if (is_maps_directory(name) && entry.path() != maps_directory(pins_))
            fs::remove_all(entry.path(), code);
    }
}

} // namespace xk::xdp
