// SPDX-License-Identifier: MIT
#include "daemon/xdp/dispatcher.h"

#include "daemon/xdp/dispatcher_programs.h"
#include "daemon/xdp/library_warnings.h"
#include "daemon/xdp/raised_rights.h"
#include "protocol/base/quote.h"

#include <bpf/libbpf.h>

namespace xk::xdp {

Result<void> check_dispatcher() {
    switch (may_raise_rights()) {
    case Permitted::unknown:
        return os_error("reading our capabilities");
    case Permitted::no:
        return Error{"the process lacks CAP_SYS_ADMIN or CAP_DAC_OVERRIDE, which \"xdp: {coexist: libxdp}\" needs",
                     "start xknockd as root, or install coexist.conf as a drop-in of its unit "
                     "(docs/configuration.md, \"xdp\")"};
    case Permitted::yes:
        break;
    }
    record_libxdp_warnings();
    const RaisedRights rights;
    // Without such programs libxdp would attach the filter without a dispatcher, and no other program would fit.
    if (libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_EXT, nullptr) == 1)
        return {};
    return no_dispatcher(
        "this kernel does not let XDP programs share an interface: it refuses BPF programs that extend "
        "others (freplace)");
}

Result<void> leave_dispatcher(int ifindex) {
    record_libxdp_warnings();
    const RaisedRights rights;
    auto programs = programs_on(ifindex);
    if (!programs)
        return programs.error();
    return remove_programs(*programs, ours_in(*programs), ifindex);
}

Result<void> replace_dispatcher(const std::string& interface, int ifindex) {
    record_libxdp_warnings();
    const RaisedRights rights;
    auto programs = programs_on(ifindex);
    if (!programs)
        return programs.error();
    const auto ours = ours_in(*programs);
    if (is_dispatcher(*programs) && static_cast<int>(ours.size()) != xdp_multiprog__program_count(programs->get()))
        return Error{
            "others attached XDP programs to interface " + in_quotes(interface) + " through libxdp's dispatcher",
            "\"xdp: {coexist: libxdp}\" is for that; or take them away first (xdp-loader status " + interface + ")"};
    return remove_programs(*programs, ours, ifindex);
}

} // namespace xk::xdp
