// SPDX-License-Identifier: MIT
#include "daemon/xdp/component.h"

#include "daemon/xdp/dispatcher_programs.h"
#include "daemon/xdp/library_warnings.h"
#include "daemon/xdp/link_layer.h"
#include "daemon/xdp/raised_rights.h"
#include "protocol/base/quote.h"

#include <bpf/libbpf.h>

#include <string_view>

namespace xk::xdp {
namespace {

Error in_the_way(const std::string& interface, const Multiprog& programs) {
    const xdp_program* const holder = xdp_multiprog__main_prog(programs.get());
    if (is_broken(programs))
        return Error{"libxdp's dispatcher on interface " + in_quotes(interface) +
                         " has lost its pins in /sys/fs/bpf/xdp",
                     "xdp-loader unload " + interface + " --all, then attach all programs again"};
    return Error{"XDP program id " + std::to_string(xdp_program__id(holder)) + " " +
                     in_quotes(xdp_program__name(holder)) + " is attached to interface " + in_quotes(interface) +
                     " without libxdp's dispatcher",
                 "bpftool net show dev " + interface + " says more; take it away first, or attach it with xdp-loader"};
}

// Attaches beside the programs in `there`, and returns the mode.
Result<xdp_attach_mode> attach_beside(const Multiprog& there, xdp_program* program, const std::string& interface,
                                      int ifindex, bool allow_generic) {
    if (there && !is_dispatcher(there))
        return in_the_way(interface, there);
    xdp_attach_mode mode = there ? xdp_multiprog__attach_mode(there.get()) : XDP_MODE_NATIVE;
    if (mode == XDP_MODE_SKB && !allow_generic)
        return Error{"others attached XDP programs to interface " + in_quotes(interface) + " in generic mode",
                     "attach them in native mode, or \"xdp: {allow_generic: true}\" accepts the slower generic mode"};
    int failure = has_program(there, program) ? 0 : xdp_program__attach(program, ifindex, mode, 0);
    if (failure != 0 && !there && allow_generic)
        failure = xdp_program__attach(program, ifindex, mode = XDP_MODE_SKB, 0);
    if (failure == 0)
        return mode;
    return libxdp_error(failure, "attaching to " + in_quotes(interface) + " through libxdp",
                        there ? "xdp-loader status " + interface + " shows the others"
                              : "where its driver has no native XDP, or not with these settings (LRO, an MTU above " +
                                    std::to_string(largest_mtu_in_a_page()) +
                                    "), "
                                    "\"xdp: {allow_generic: true}\" accepts the slower generic mode");
}

} // namespace

void Component::Close::operator()(xdp_program* program) const { xdp_program__close(program); }

Component::Component(Program program, std::unique_ptr<xdp_program, Close> component)
    : program_(std::move(program)), component_(std::move(component)) {}

Result<Component> Component::make(Program program, LinkLayer layer, unsigned priority) {
    record_libxdp_warnings();
    const char* const name = program_name(layer);
    bpf_program* each = nullptr;
    bpf_object__for_each_program(each, program.object())
        bpf_program__set_autoload(each, bpf_program__name(each) == std::string_view(name));
    DECLARE_LIBXDP_OPTS(xdp_program_opts, options, .obj = program.object(), .prog_name = name);
    std::unique_ptr<xdp_program, Close> component(xdp_program__create(&options));
    if (const auto failure = static_cast<int>(libxdp_get_error(component.get())); failure != 0) {
        (void)component.release(); // the pointer is an error code
        return libxdp_error(failure, "opening the filter for libxdp");
    }
    if (const int failure = xdp_program__set_run_prio(component.get(), priority); failure != 0)
        return libxdp_error(failure, "setting the filter's priority");
    return Component(std::move(program), std::move(component));
}

Result<bool> Component::attach(const std::string& interface, int ifindex, bool allow_generic) {
    record_libxdp_warnings();
    const RaisedRights rights;
    auto programs = programs_on(ifindex);
    if (!programs)
        return programs.error();
    const auto mode = attach_beside(*programs, component_.get(), interface, ifindex, allow_generic);
    if (!mode)
        return mode.error();
    programs = programs_on(ifindex);
    if (!programs || !has_program(*programs, component_.get())) {
        (void)xdp_program__detach(component_.get(), ifindex, *mode, 0);
        return no_dispatcher("libxdp attached the filter to " + in_quotes(interface) + " without its dispatcher");
    }
    if (auto done = remove_programs(*programs, ours_in(*programs, xdp_program__id(component_.get())), ifindex); !done)
        return done.error();
    return *mode == XDP_MODE_SKB;
}

bool Component::is_attached(int ifindex) const {
    record_libxdp_warnings();
    const RaisedRights rights;
    auto programs = programs_on(ifindex);
    return programs && has_program(*programs, component_.get());
}

} // namespace xk::xdp
