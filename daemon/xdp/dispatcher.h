// SPDX-License-Identifier: MIT
//
// Living with other XDP programs. An interface has room for one; libxdp puts a dispatcher there, which calls several in
// the order of their run priorities, and goes on to the next one while they say XDP_PASS. Here the filter is one of
// those (xdp.coexist: libxdp).
//
// What others attached stays. One filter of ours is exchanged for the next by adding the new one and then taking the
// old one away; libxdp exchanges the whole dispatcher in one step each time, so that no packet meets an interface
// without filter. Filters of ours are known by their program's name: which one belonged to which daemon does not
// matter.
//
// libxdp finds the programs of others by their numbers and in directories that are root's. That takes CAP_SYS_ADMIN and
// CAP_DAC_OVERRIDE, which are in effect while a function of this file runs, and at no other time.
#pragma once

#include "protocol/base/result.h"

#include <memory>
#include <string>

struct knock_bpf;
struct xdp_program;

namespace xk::xdp {

// Whether kernel and capabilities suffice; said before anything is changed.
Result<void> check_dispatcher();

// Takes every filter of ours away from the interface's dispatcher, and with the last program the dispatcher.
Result<void> leave_dispatcher(int ifindex);

// The same if the dispatcher runs nothing else, for an attachment without dispatcher; else the error says so.
Result<void> replace_dispatcher(const std::string& interface, int ifindex);

class Component {
  public:
    using Skeleton = std::unique_ptr<knock_bpf, void (*)(knock_bpf*)>;

    // Of a skeleton that is open but not loaded: libxdp loads this program of it as an extension of its dispatcher.
    static Result<Component> make(Skeleton skeleton, const char* program, unsigned priority);

    // Adds the filter to the interface and takes older ones of ours away. In native mode, or in the mode that the
    // dispatcher is in; generic only if that is allowed. True: it is generic.
    Result<bool> attach(const std::string& interface, int ifindex, bool allow_generic);

    bool is_attached(int ifindex) const;

  private:
    struct Close {
        void operator()(xdp_program* program) const;
    };
    Component(Skeleton skeleton, std::unique_ptr<xdp_program, Close> program);

    Skeleton skeleton_;
    std::unique_ptr<xdp_program, Close> program_;
};

} // namespace xk::xdp
