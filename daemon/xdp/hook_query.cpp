// SPDX-License-Identifier: MIT
#include "daemon/xdp/hook_query.h"

#include "daemon/xdp/links.h"
#include "daemon/xdp/pins.h"
#include "protocol/base/fd.h"
#include "protocol/base/quote.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>

namespace xk::xdp {

Result<HookQuery> query_hook(const std::string& interface, const std::string& pins) {
    const int ifindex = index_of_interface(interface);
    if (ifindex == 0)
        return Error{"there is no interface " + in_quotes(interface), {}};
    return query_hook_of({interface, ifindex}, pin_of_link(pins, interface));
}

Result<HookQuery> query_hook_of(const Attachment& at, const std::string& pin) {
    LIBBPF_OPTS(bpf_xdp_query_opts, query);
    if (const int failure = bpf_xdp_query(at.ifindex, 0, &query); failure != 0)
        return os_error_of(failure, "asking what is attached to " + in_quotes(at.interface));
    HookQuery found;
    if (query.attach_mode == XDP_ATTACHED_NONE)
        return found;
    // With several modes at once prog_id is 0, and each mode has its own.
    found.program = query.prog_id != 0 ? query.prog_id : query.drv_prog_id != 0 ? query.drv_prog_id : query.skb_prog_id;
    found.mode = query.attach_mode == XDP_ATTACHED_SKB ? Mode::generic : Mode::native;
    const Fd link(bpf_obj_get(pin.c_str()));
    bpf_link_info info{};
    __u32 size = sizeof info;
    found.ours = link && bpf_obj_get_info_by_fd(link.get(), &info, &size) == 0 && info.prog_id == found.program;
    const Fd program(bpf_prog_get_fd_by_id(found.program));
    bpf_prog_info about{};
    size = sizeof about;
    if (program && bpf_obj_get_info_by_fd(program.get(), &about, &size) == 0)
        found.name = about.name;
    return found;
}

} // namespace xk::xdp
