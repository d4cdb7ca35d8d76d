# Wrong answers that students give, and right ones written in another style.
#
# The comment a cell begins with is what the student reads when the public check recognizes the mistake: it names
# what went wrong and points to the idea, without code. Below stand edits of the reference answer (or of the
# alternative that `of` names), or the whole source of the answer cell; `grading build --show TOPIC/EXERCISE/NAME`
# prints an edited answer whole.

# %% misconception="inception" name="pool-projection-without-relu"
# The numbers of the pooling branch can be negative. Every convolution of the module is followed by a ReLU,
# the 1x1 behind the pooling too.
replace("F.relu(torch.cat(branches, dim=1))", "torch.cat([*map(F.relu, branches[:3]), branches[3]], dim=1)")

# %% misconception="inception" name="no-relu"
# There is no ReLU in your module: all of it is one linear map, apart from the pooling. Every convolution has
# one.
replace("F.relu(self.three_reduce(x))", "self.three_reduce(x)")
replace("F.relu(self.five_reduce(x))", "self.five_reduce(x)")
replace("F.relu(torch.cat(branches, dim=1))", "torch.cat(branches, dim=1)")

# %% misconception="inception" name="reduction-without-relu"
# Your reducing 1x1 convolutions run into the large ones without a ReLU. They are layers like the others.
replace("F.relu(self.three_reduce(x))", "self.three_reduce(x)")
replace("F.relu(self.five_reduce(x))", "self.five_reduce(x)")

# %% misconception="inception" name="branches-summed"
# You add the branches up. They go side by side: the output has the channels of all four.
replace("F.relu(torch.cat(branches, dim=1))", "sum(map(F.relu, branches))")

# %% misconception="inception" name="concatenated-along-height"
# You lay the maps of the branches below one another. They are stacked like channels of one map.
replace("dim=1", "dim=2")

# %% misconception="inception" name="wrong-order"
# The right maps in the wrong order: you put the pooling branch first. The order is that of the arguments.
replace("torch.cat(branches", "torch.cat([branches[3], *branches[:3]]")

# %% misconception="inception" name="three-and-five-swapped"
# The maps of the 5x5 come before those of the 3x3. The order is that of the arguments.
replace("torch.cat(branches", "torch.cat([branches[i] for i in (0, 2, 1, 3)]")

# %% misconception="inception" name="pairs-swapped"
# You read the pairs the wrong way round. The first number is what the 1x1 reduces to.
replace("super().__init__()", "super().__init__()\nc3, c5 = c3[::-1], c5[::-1]")

# %% misconception="inception" name="reduction-missing"
# Your 3x3 and 5x5 read the input with all its channels. The 1x1 in front of each, which makes them
# affordable, is missing.
cut("self.three_reduce = nn.Conv2d(c_in, c3[0], 1)")
cut("self.five_reduce = nn.Conv2d(c_in, c5[0], 1)")
replace("self.three = nn.Conv2d(c3[0]", "self.three = nn.Conv2d(c_in")
replace("self.five = nn.Conv2d(c5[0]", "self.five = nn.Conv2d(c_in")
replace("F.relu(self.three_reduce(x))", "x")
replace("F.relu(self.five_reduce(x))", "x")

# %% misconception="inception" name="reduction-unused"
# You make the reducing 1x1 convolutions, but the 3x3 and 5x5 read the input itself: parameters that nothing
# depends on cannot learn.
replace("self.three = nn.Conv2d(c3[0]", "self.three = nn.Conv2d(c_in")
replace("self.five = nn.Conv2d(c5[0]", "self.five = nn.Conv2d(c_in")
replace("F.relu(self.three_reduce(x))", "x")
replace("F.relu(self.five_reduce(x))", "x")

# %% misconception="inception" name="shared-reduction"
# Your 5x5 reads what was reduced for the 3x3. Each of them has a reduction of its own.
cut("self.five_reduce = nn.Conv2d(c_in, c5[0], 1)")
replace("self.five = nn.Conv2d(c5[0]", "self.five = nn.Conv2d(c3[0]")
replace("self.five_reduce(x)", "self.three_reduce(x)")

# %% misconception="inception" name="branches-in-a-row"
# Your 5x5 reads what the 3x3 gives. The branches stand beside one another: each begins at the module's input.
replace("self.five_reduce = nn.Conv2d(c_in", "self.five_reduce = nn.Conv2d(c3[1]")
replace("self.five_reduce(x)", "self.five_reduce(F.relu(self.three(F.relu(self.three_reduce(x)))))")

# %% misconception="inception" name="cropped-to-fit"
# Your convolutions have no padding, and you cut the other branches down to the smallest one. The map keeps
# its size: pad each kernel by what it needs.
cut(", padding=1", times=2)
cut(", padding=2")
replace(
    "return F.relu(torch.cat(branches, dim=1))",
    """
    height, width = branches[2].shape[2:]
    maps = []
    for branch in branches:
        top, left = (branch.shape[2] - height) // 2, (branch.shape[3] - width) // 2
        maps.append(branch[:, :, top : top + height, left : left + width])
    return F.relu(torch.cat(maps, dim=1))
    """,
)

# %% misconception="inception" name="same-padding-for-all"
# Your 5x5 is padded as if it were a 3x3, so that its map comes out smaller than the others. How far does a
# kernel of 5 reach beyond its centre?
replace("5, padding=2", "5, padding=1")

# %% misconception="inception" name="five-is-three"
# Your third branch has a 3x3 as well, as in later versions of the module. Here it is a 5x5.
replace("5, padding=2", "3, padding=1")

# %% misconception="inception" name="average-pooling"
# Your fourth branch averages. It keeps the largest value of each window.
replace("nn.MaxPool2d", "nn.AvgPool2d")

# %% misconception="inception" name="projects-before-pooling"
# Your fourth branch projects first and pools afterwards. It is the input that is pooled.
replace("self.pool_project(self.pool(x))", "self.pool(self.pool_project(x))")

# %% misconception="inception" name="pooling-missing"
# Your fourth branch is only a 1x1 convolution, like the first. There is a pooling in front of it.
replace("self.pool_project(self.pool(x))", "self.pool_project(x)")

# %% misconception="inception" name="projection-missing"
# Your pooled maps go on with all their channels. A 1x1 convolution behind the pooling brings them down.
cut("self.pool_project = nn.Conv2d(c_in, c_pool, 1)")
replace("self.pool_project(self.pool(x))", "self.pool(x)")
replace("F.relu(torch.cat(branches, dim=1))", "torch.cat([*map(F.relu, branches[:3]), branches[3]], dim=1)")

# %% misconception="inception" name="relu-in-place-on-input"
# You apply a ReLU in place to the module's input: the caller's tensor changes, and all the branches see it
# without its negative part.
replace("branches = [", "x = F.relu(x, inplace=True)\nbranches = [")

# %% misconception="inception" name="branches-unregistered" of="sequential-branches"
# Your branches sit in a plain Python list: the module does not know their weights, so that no optimizer
# trains them and no state dict holds them.
replace("nn.ModuleList", "list")

# %% misconception="inception" name="zeros"
# Your module returns zeros of the right shape, whatever comes in.
replace("F.relu(torch.cat(branches, dim=1))", "torch.zeros_like(torch.cat(branches, dim=1))")

# %% misconception="inception" name="bias-missing"
# Your convolutions have no bias. That is for layers with batch norm behind them; this module is from the year
# before it.
replace(", 1)", ", 1, bias=False)", times=4)
replace("3, padding=1)", "3, padding=1, bias=False)")
replace("5, padding=2)", "5, padding=2, bias=False)")

# %% misconception="inception" name="batchnorm-added"
# Your branches have batch norm. The later versions of the module do; this one has convolutions and ReLUs
# alone.
replace("nn.Conv2d(", "conv(", times=6)
replace(
    "super().__init__()",
    """
    super().__init__()

    def conv(c_in, c_out, kernel, padding=0):
        return nn.Sequential(nn.Conv2d(c_in, c_out, kernel, padding=padding), nn.BatchNorm2d(c_out))

    """,
)

# %% misconception="basic_block" name="no-skip"
# Your block is two plain convolutions: the input never reaches the sum at its end.
cut(
    """
    if stride != 1 or c_in != channels:
        self.downsample = nn.Sequential(
            nn.Conv2d(c_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
        )
    """
)
replace("out + shortcut", "out")

# %% misconception="basic_block" name="skip-after-relu"
# You add the input after the last ReLU. The sum itself goes through it: the branch has to be able to take
# away as well.
replace("F.relu(out + shortcut)", "F.relu(out) + shortcut")

# %% misconception="basic_block" name="final-relu-missing"
# Your block gives back negative numbers. What stands behind the sum?
replace("F.relu(out + shortcut)", "out + shortcut")

# %% misconception="basic_block" name="relu-before-and-after"
# There is a ReLU on the branch just before the sum, so that the branch can only add. The one ReLU at the end
# comes after the sum.
replace("out + shortcut", "F.relu(out) + shortcut")

# %% misconception="basic_block" name="inner-relu-missing"
# There is nothing between your first norm and the second convolution. Two linear maps in a row are one linear
# map.
replace("F.relu(self.bn1(self.conv1(x)))", "self.bn1(self.conv1(x))")

# %% misconception="basic_block" name="subtracts-input"
# You subtract the input. The branch learns what to add to it.
replace("out + shortcut", "out - shortcut")

# %% misconception="basic_block" name="zeros"
# Your block returns zeros of the right shape, whatever comes in.
replace("F.relu(out + shortcut)", "0 * F.relu(out + shortcut)")

# %% misconception="basic_block" name="skips-one-convolution"
# Your shortcut begins after the first convolution. It goes round both: what is added is the block's own
# input.
cut(
    """
    if stride != 1 or c_in != channels:
        self.downsample = nn.Sequential(
            nn.Conv2d(c_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
        )
    """
)
cut("shortcut = x if self.downsample is None else self.downsample(x)")
replace("out = self.bn2", "shortcut = out\nout = self.bn2")

# %% misconception="basic_block" name="shortcut-without-batchnorm"
# Your projection is a bare convolution. Every convolution of the block is followed by batch norm, the one on
# the shortcut as well.
cut(", nn.BatchNorm2d(channels)")

# %% misconception="basic_block" name="relu-on-shortcut"
# Your projection ends in a ReLU. The shortcut is linear; what is cut off is cut off after the sum.
replace(", nn.BatchNorm2d(channels)", ", nn.BatchNorm2d(channels), nn.ReLU()")

# %% misconception="basic_block" name="projection-always"
# Your shortcut has a convolution in every block. Where the input already has the right shape it is added as
# it is.
replace("if stride != 1 or c_in != channels:", "if True:  # whatever the shapes")

# %% misconception="basic_block" name="projection-3x3"
# The projection on your shortcut has a 3x3 kernel. It only has to change channels and thin the map out: how
# many taps does that take?
replace("channels, 1, stride", "channels, 3, stride, padding=1")

# %% misconception="basic_block" name="shortcut-padded-with-zeros"
# You fill the new channels of the shortcut with zeros: option A of the paper. Asked for is option B, the one
# with weights.
cut(
    """
    if stride != 1 or c_in != channels:
        self.downsample = nn.Sequential(
            nn.Conv2d(c_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
        )
    """
)
replace(
    "x if self.downsample is None else self.downsample(x)",
    "x[:, :, :: self.conv1.stride[0], :: self.conv1.stride[1]]",
)
replace("out + shortcut", "out + F.pad(shortcut, (0, 0, 0, 0, 0, out.shape[1] - shortcut.shape[1]))")

# %% misconception="basic_block" name="shortcut-broadcast"
# Where the shapes differ you add the input as it is. With a single channel, broadcasting hides it: the same
# map is added to every channel.
cut(
    """
    if stride != 1 or c_in != channels:
        self.downsample = nn.Sequential(
            nn.Conv2d(c_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
        )
    """
)
replace(
    "x if self.downsample is None else self.downsample(x)",
    "x[:, :, :: self.conv1.stride[0], :: self.conv1.stride[1]]",
)

# %% misconception="basic_block" name="projection-only-for-stride"
# You project only where the map shrinks. The number of channels may change without a stride.
cut(" or c_in != channels")

# %% misconception="basic_block" name="projection-only-for-channels"
# You project only where the number of channels changes. With a stride the map shrinks even if the channels
# stay.
cut("stride != 1 or ")

# %% misconception="basic_block" name="stride-on-second-convolution"
# Your stride is on the second convolution. The shapes come out right, but the first one halves the map here.
replace("c_in, channels, 3, stride", "c_in, channels, 3")
replace("channels, channels, 3", "channels, channels, 3, stride")

# %% misconception="basic_block" name="bias-left-on"
# Your convolutions have biases. The batch norm behind each of them subtracts the mean, and has an offset of
# its own.
cut(", bias=False", times=3)

# %% misconception="basic_block" name="batchnorm-shared"
# Both convolutions go through one and the same batch norm. Their outputs have different means: each needs a
# norm of its own.
cut("self.bn2 = nn.BatchNorm2d(channels)")
replace("self.bn2(", "self.bn1(")

# %% misconception="basic_block" name="batchnorm-without-statistics"
# Your norms keep no running statistics. In evaluation mode an image's output then depends on the batch it is
# in.
replace("nn.BatchNorm2d(channels", "nn.BatchNorm2d(channels, track_running_stats=False", times=3)

# %% misconception="basic_block" name="batchnorm-always-evaluates"
# In training mode your block still normalizes with the running statistics, and never updates them. The mode
# decides which statistics count.
replace("self.bn1(self.conv1(x))", "self.normalize(self.conv1(x), self.bn1)")
replace("self.bn2(self.conv2(out))", "self.normalize(self.conv2(out), self.bn2)")
replace(
    "def forward",
    """
    def normalize(self, x, norm):
        return F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias)

    def forward
    """,
)

# %% misconception="basic_block" name="batchnorm-always-trains"
# In evaluation mode your block still normalizes with the statistics of the batch, and goes on updating the
# running ones. The mode decides which statistics count.
replace("self.bn1(self.conv1(x))", "self.normalize(self.conv1(x), self.bn1)")
replace("self.bn2(self.conv2(out))", "self.normalize(self.conv2(out), self.bn2)")
replace(
    "def forward",
    """
    def normalize(self, x, norm):
        return F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, training=True)

    def forward
    """,
)

# %% misconception="basic_block" name="relu-before-batchnorm"
# You apply the ReLU before the first batch norm. The norm belongs to its convolution; the ReLU comes after
# it.
replace("F.relu(self.bn1(self.conv1(x)))", "self.bn1(F.relu(self.conv1(x)))")

# %% misconception="basic_block" name="preactivation"
# Norm and ReLU stand before your convolutions: that is the later pre-activation block. Here each convolution
# comes first, and a ReLU last.
replace("self.bn1 = nn.BatchNorm2d(channels)", "self.bn1 = nn.BatchNorm2d(c_in)")
replace("F.relu(self.bn1(self.conv1(x)))", "self.conv1(F.relu(self.bn1(x)))")
replace("self.bn2(self.conv2(out))", "self.conv2(F.relu(self.bn2(out)))")
replace("F.relu(out + shortcut)", "out + shortcut")

# %% misconception="basic_block" name="relu-damages-skip"
# You apply a ReLU in place to the input before it is added: what the shortcut carries has lost its negative
# part, and so has the caller's tensor.
replace("shortcut = x if", "x.relu_()\nshortcut = x if")

# %% misconception="basic_block" name="adds-in-place-to-input"
# The result is right, but where nothing is projected you add onto the input itself: the caller's tensor has
# changed afterwards.
replace("return F.relu(out + shortcut)", "shortcut += out\nreturn F.relu(shortcut)")

# %% misconception="basic_block" name="one-convolution"
# Your branch has a single convolution; the second is made and never called. A parameter that the output does
# not depend on cannot learn.
replace("F.relu(self.bn1(self.conv1(x)))", "self.bn2(self.conv1(x))")
cut("out = self.bn2(self.conv2(out))")

# %% misconception="basic_block" name="shortcut-unregistered"
# Your projection sits in a plain Python list: the block does not know its weights, so that no optimizer
# trains them and no state dict holds them.
replace(
    """
    self.downsample = nn.Sequential(
        nn.Conv2d(c_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
    )
    """,
    "self.downsample = [nn.Conv2d(c_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)]",
)
replace(
    "shortcut = x if self.downsample is None else self.downsample(x)",
    """
    shortcut = x
    for layer in self.downsample or ():
        shortcut = layer(shortcut)
    """,
)

# %% misconception="basic_block" name="layers-made-in-forward"
# You make the projection anew in every forward pass, with new random weights. Layers are made once, in the
# constructor.
cut(
    """
    if stride != 1 or c_in != channels:
        self.downsample = nn.Sequential(
            nn.Conv2d(c_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
        )
    """
)
replace(
    "return F.relu",
    """
    if x.shape != out.shape:
        project = nn.Conv2d(x.shape[1], out.shape[1], 1, self.conv1.stride, bias=False)
        shortcut = nn.BatchNorm2d(out.shape[1])(project(x))
    return F.relu
    """,
)

# %% misconception="bottleneck" name="no-skip"
# Your block is three plain convolutions: the input never reaches the sum at its end.
cut(
    """
    if stride != 1 or c_in != c_out:
        self.downsample = nn.Sequential(
            nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out)
        )
    """
)
replace("out + shortcut", "out")

# %% misconception="bottleneck" name="skip-after-relu"
# You add the shortcut after the last ReLU. The sum itself goes through it.
replace("F.relu(out + shortcut)", "F.relu(out) + shortcut")

# %% misconception="bottleneck" name="final-relu-missing"
# Your block gives back negative numbers: nothing stands behind the sum.
replace("F.relu(out + shortcut)", "out + shortcut")

# %% misconception="bottleneck" name="relu-on-last-convolution"
# All three of your convolutions have a ReLU, so that the branch can only add. The last one comes after the
# sum.
replace("self.bn3(self.conv3(out))", "F.relu(self.bn3(self.conv3(out)))")

# %% misconception="bottleneck" name="relu-missing-in-the-middle"
# There is no ReLU between your 3x3 convolution and the last 1x1: two linear maps in a row.
replace("F.relu(self.bn2(self.conv2(out)))", "self.bn2(self.conv2(out))")

# %% misconception="bottleneck" name="subtracts-input"
# You subtract the shortcut from the branch. The branch learns what to add.
replace("out + shortcut", "out - shortcut")

# %% misconception="bottleneck" name="stride-on-first-convolution"
# Your stride is on the first 1x1, as in the paper. It throws away three pixels of four unseen; here the 3x3
# has the stride.
replace("c_in, channels, 1", "c_in, channels, 1, stride")
replace("channels, channels, 3, stride", "channels, channels, 3")

# %% misconception="bottleneck" name="stride-on-last-convolution"
# Your stride is on the last 1x1, which throws away what the 3x3 has just worked out. The 3x3 itself has the
# stride.
replace("channels, channels, 3, stride", "channels, channels, 3")
replace("channels, c_out, 1", "channels, c_out, 1, stride")

# %% misconception="bottleneck" name="expansion-forgotten"
# As many channels come out of your block as its 3x3 has. The last 1x1 widens: see expansion.
replace("c_out = self.expansion * channels", "c_out = channels")

# %% misconception="bottleneck" name="channels-are-the-output"
# You take channels for the number that comes out, and reduce to a quarter of it. It is the number inside, and
# four times as many come out.
replace("c_out = self.expansion * channels", "c_out, channels = channels, max(1, channels // self.expansion)")

# %% misconception="bottleneck" name="expands-in-the-middle"
# Your 3x3 works on the wide map. The first 1x1 reduces, so that the expensive convolution has few channels.
replace("c_in, channels, 1", "c_in, c_out, 1")
replace("self.bn1 = nn.BatchNorm2d(channels)", "self.bn1 = nn.BatchNorm2d(c_out)")
replace("channels, channels, 3", "c_out, channels, 3")

# %% misconception="bottleneck" name="compares-without-expansion"
# You compare the input's channels with those inside the block to decide about the projection. What is added
# has to fit what comes out.
replace("c_in != c_out", "c_in != channels")

# %% misconception="bottleneck" name="projection-only-for-stride"
# You project only where the map shrinks. The first block of a network's first stage has no stride, and yet
# more channels come out than go in.
cut(" or c_in != c_out")

# %% misconception="bottleneck" name="projection-always"
# Your shortcut has a convolution in every block. Where the input already has the right shape it is added as
# it is.
replace("if stride != 1 or c_in != c_out:", "if True:  # whatever the shapes")

# %% misconception="bottleneck" name="shortcut-without-batchnorm"
# Your projection is a bare convolution. Every convolution of the block is followed by batch norm, the one on
# the shortcut as well.
cut(", nn.BatchNorm2d(c_out)")

# %% misconception="bottleneck" name="shortcut-averages"
# Your shortcut averages pixels before it projects. Later variants of ResNet do that; here its 1x1 convolution
# has the stride.
replace(
    "nn.Conv2d(c_in, c_out, 1, stride, bias=False)",
    "nn.AvgPool2d(stride, ceil_mode=True), nn.Conv2d(c_in, c_out, 1, bias=False)",
)

# %% misconception="bottleneck" name="batchnorm-shared"
# Two of your convolutions go through one and the same batch norm. Their outputs have different means: each
# needs a norm of its own.
cut("self.bn2 = nn.BatchNorm2d(channels)")
replace("self.bn2(", "self.bn1(")

# %% misconception="bottleneck" name="last-batchnorm-missing"
# There is no batch norm behind your last convolution. Each of the three has its own, the last one before the
# sum.
cut("self.bn3 = nn.BatchNorm2d(c_out)")
replace("self.bn3(self.conv3(out))", "self.conv3(out)")

# %% misconception="bottleneck" name="batchnorm-before-convolution"
# You normalize what goes into the 3x3 twice, before and behind its ReLU, and never what comes out of it. Each
# norm follows its own convolution.
replace("self.bn2(self.conv2(out))", "self.conv2(self.bn2(out))")

# %% misconception="bottleneck" name="batchnorm-without-statistics"
# Your norms keep no running statistics. In evaluation mode an image's output then depends on the batch it is
# in.
replace("nn.BatchNorm2d(channels", "nn.BatchNorm2d(channels, track_running_stats=False", times=2)
replace("nn.BatchNorm2d(c_out", "nn.BatchNorm2d(c_out, track_running_stats=False", times=2)

# %% misconception="bottleneck" name="batchnorm-frozen"
# You hold the norms in evaluation mode for good, so that their running statistics never follow the data. The
# mode is for whoever trains the network to set.
replace(
    "def forward",
    """
    def train(self, mode=True):
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def forward
    """,
)

# %% misconception="bottleneck" name="bias-left-on"
# Your convolutions have biases. The batch norm behind each of them subtracts the mean, and has an offset of
# its own.
cut(", bias=False", times=4)

# %% misconception="bottleneck" name="relu-before-batchnorm"
# You apply the ReLU before the batch norm. The norm belongs to its convolution; the ReLU comes after it.
replace("F.relu(self.bn1(self.conv1(x)))", "self.bn1(F.relu(self.conv1(x)))")
replace("F.relu(self.bn2(self.conv2(out)))", "self.bn2(F.relu(self.conv2(out)))")

# %% misconception="bottleneck" name="branch-unregistered" of="table-of-layers"
# Your layers sit in a plain Python list: the block does not know their weights, so that no optimizer trains
# them and no state dict holds them.
replace("nn.Sequential(*layers[:-1])", "layers[:-1]")
replace("return torch.relu", "out = x\nfor layer in self.residual:\n    out = layer(out)\nreturn torch.relu")
replace("self.residual(x)", "out")

# %% misconception="bottleneck" name="convolution-unused"
# You made three convolutions, but the 3x3 is never called: nothing in your block looks at a pixel's
# neighbours.
replace("c_in, channels, 1", "c_in, channels, 1, stride")
cut("out = F.relu(self.bn2(self.conv2(out)))")

# %% misconception="bottleneck" name="expansion-of-the-basic-block"
# Your class says that its expansion is 1, and gives back four times as many channels. Whoever stacks blocks
# asks the class.
replace("expansion = 4", "expansion = 1")
replace("self.expansion * channels", "4 * channels")

# %% misconception="make_stage" name="stride-in-every-block"
# Every block of your stage has the stride. A stage shrinks the map once, in its first block.
replace("channels, 1)", "channels, stride)")

# %% misconception="make_stage" name="stride-in-last-block"
# Your last block has the stride: all the others work on the large map. The first one shrinks it.
replace("[block(c_in, channels, stride)]", "[block(c_in, channels, stride if depth == 1 else 1)]")
replace("for _ in range(depth - 1)", "for i in range(1, depth)")
replace("channels, 1)", "channels, stride if i == depth - 1 else 1)")

# %% misconception="make_stage" name="stride-ignored"
# Your stage gives back a map of full size, whatever the stride.
replace("[block(c_in, channels, stride)]", "[block(c_in, channels)]")

# %% misconception="make_stage" name="one-block-repeated"
# Multiplying a list repeats the same block: your later blocks share their weights. Each block is made on its
# own.
replace(
    "for _ in range(depth - 1):\n    blocks.append(block(c_out, channels, 1))",
    "blocks += [block(c_out, channels, 1)] * (depth - 1)",
)

# %% misconception="make_stage" name="expansion-forgotten"
# Your later blocks expect as many channels as the blocks have inside. What comes out of a block is wider, by
# its expansion.
replace("c_out = channels * block.expansion", "c_out = channels")

# %% misconception="make_stage" name="later-blocks-take-c_in"
# All your blocks expect c_in channels. That holds for the first one; the others read what the one before them
# gives.
replace("block(c_out", "block(c_in")

# %% misconception="make_stage" name="channels-already-expanded"
# You multiply by the expansion what you hand to the block. The block does that itself: channels is the number
# inside.
replace("[block(c_in, channels, stride)]", "[block(c_in, c_out, stride)]")
replace("block(c_out, channels, 1)", "block(c_out * block.expansion, c_out, 1)")

# %% misconception="make_stage" name="one-block-too-many"
# Your stage has one block more than depth. The first block counts.
replace("range(depth - 1)", "range(depth)")

# %% misconception="make_stage" name="one-block-too-few"
# Your stage has one block less than depth: a range ends before its last number.
replace("range(depth - 1)", "range(depth - 2)")

# %% misconception="make_stage" name="plain-list"
# You return a Python list. What cannot be called cannot be a stage: wrap the blocks.
replace("return nn.Sequential(*blocks)", "return blocks")

# %% misconception="make_stage" name="module-list"
# An nn.ModuleList holds blocks, but cannot be called: it does not say in which order they run.
replace("return nn.Sequential(*blocks)", "return nn.ModuleList(blocks)")

# %% misconception="make_stage" name="own-basic-block"
# You stack BasicBlock, whatever block was asked for. The class comes as an argument.
replace("c_out = channels", "block = BasicBlock\nc_out = channels")

# %% misconception="make_stage" name="pool-for-stride"
# You shrink the map by a pooling layer in front of the blocks. The first block has the stride itself.
replace("[block(c_in, channels, stride)]", "[nn.MaxPool2d(stride), block(c_in, channels, 1)]")

# %% misconception="make_stage" name="channels-double"
# The channels grow from block to block. Within a stage they stay the same; the next stage doubles them.
replace("block(c_out, channels, 1)", "block(c_in, channels, 1)")
replace("blocks.append", "c_in, channels = channels * block.expansion, 2 * channels\nblocks.append")

# %% misconception="resnet" name="basic-blocks-everywhere"
# Your resnet(50) is made of basic blocks, which makes it a resnet(34). From 50 layers on the table has
# bottlenecks.
replace("expansion = 1 if depth < 50 else 4", "expansion = 1")

# %% misconception="resnet" name="counts-of-50-for-101"
# Your resnet(101) has the counts of resnet(50). The paper's table tells them apart in its third stage.
replace("101: (3, 4, 23, 3)", "101: (3, 4, 6, 3)")

# %% misconception="resnet" name="counts-of-152-wrong"
# Your resnet(152) has four blocks in its second stage, like resnet(101). Look at that column of the table
# again.
replace("152: (3, 8, 36, 3)", "152: (3, 4, 36, 3)")

# %% misconception="resnet" name="counts-of-18-for-34"
# Your resnet(34) has two blocks in each stage, like resnet(18): count its layers.
replace("34: (3, 4, 6, 3)", "34: (2, 2, 2, 2)")

# %% misconception="resnet" name="counts-in-wrong-order" of="with-own-blocks"
# The right numbers of blocks in the wrong stages: your counts are in reverse order.
replace("self.COUNTS[depth]", "self.COUNTS[depth][::-1]")

# %% misconception="resnet" name="max-pooling-missing"
# There is no pooling between the first convolution and the first stage, so that all maps behind it are twice
# as high and wide as they should be. A state dict does not notice: pooling has no weights.
replace(
    "F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, stride=2, padding=1)", "F.relu(self.bn1(self.conv1(x)))"
)

# %% misconception="resnet" name="max-pooling-2x2"
# Your pooling has windows of 2. In the table it has windows of 3, which overlap.
replace("3, stride=2, padding=1)", "2)")

# %% misconception="resnet" name="stem-3x3"
# Your first convolution has a 3x3 kernel, as networks for small images have. In the table it is a 7x7.
replace("conv(3, 64, 7, 2)", "conv(3, 64, 3, 2)")

# %% misconception="resnet" name="stem-without-padding"
# Your first convolution has no padding: a 7x7 then loses three pixels on every side. No weight shows it, only
# the size of the maps.
replace("conv(3, 64, 7, 2)", "nn.Conv2d(3, 64, 7, 2, bias=False)")

# %% misconception="resnet" name="stem-without-relu"
# There is no ReLU between your first norm and the pooling.
replace("F.max_pool2d(F.relu(self.bn1(self.conv1(x)))", "F.max_pool2d(self.bn1(self.conv1(x))")

# %% misconception="resnet" name="stem-norm-unused"
# You make the first batch norm and never call it: the state dict loads, but the numbers differ.
replace("F.max_pool2d(F.relu(self.bn1(self.conv1(x)))", "F.max_pool2d(F.relu(self.conv1(x))")

# %% misconception="resnet" name="stride-in-wrong-stages"
# The last of your stages keeps the map's size and the first one halves it. Look at the sizes in the table:
# where do they change?
replace("counts[0], 1", "counts[0], 2")
replace("counts[3], 2", "counts[3], 1")

# %% misconception="resnet" name="no-stride-in-stages"
# All your stages keep the map's size. Each of the three later ones halves it.
replace("counts[1], 2", "counts[1], 1")
replace("counts[2], 2", "counts[2], 1")
replace("counts[3], 2", "counts[3], 1")

# %% misconception="resnet" name="blocks-repeated" of="with-own-blocks"
# Multiplying a list repeats the same block: the blocks of a stage share their weights, and a state dict
# overwrites them one after the other.
replace(
    "make_stage(block, c_in, channels, count, 2 if i else 1)",
    "nn.Sequential(block(c_in, channels, 2 if i else 1), *repeated)",
)
replace(
    "self.add_module",
    "repeated = [block(channels * block.expansion, channels)] * (count - 1)\nself.add_module",
)

# %% misconception="resnet" name="widths-in-wrong-order"
# Your stages get narrower as the map gets smaller. It is the other way round: halve the map, double the
# channels.
replace("stage(64, 64", "stage(64, 512")
replace("stage(64 * expansion, 128", "stage(512 * expansion, 256")
replace("stage(128 * expansion, 256", "stage(256 * expansion, 128")
replace("stage(256 * expansion, 512", "stage(128 * expansion, 64")
replace("nn.Linear(512", "nn.Linear(64")

# %% misconception="resnet" name="flattened-without-pooling"
# You flatten the last map: your head reads every position of it and works for one size of image only. In
# ResNet each channel's mean goes into the head.
replace("nn.Linear(512 * expansion", "nn.Linear(512 * expansion * 7 * 7")
replace("x.mean(dim=(2, 3))", "x.flatten(start_dim=1)")

# %% misconception="resnet" name="pooling-fixed-at-7"
# Your last pooling has windows of 7: right for images of 224 pixels. The mean is over the whole map, whatever
# its size.
replace("x.mean(dim=(2, 3))", "F.avg_pool2d(x, 7).flatten(start_dim=1)")

# %% misconception="resnet" name="max-instead-of-mean"
# The largest value of each map goes into your head. It is the mean of the map.
replace("x.mean(dim=(2, 3))", "x.amax(dim=(2, 3))")

# %% misconception="resnet" name="num-classes-ignored"
# Your network always has 1000 outputs, whatever num_classes says.
replace("nn.Linear(512 * expansion, num_classes)", "nn.Linear(512 * expansion, 1000)")

# %% misconception="resnet" name="softmax-at-the-end"
# Your network gives probabilities. The loss takes logits and applies the softmax itself.
replace("self.fc(x.mean(dim=(2, 3)))", "self.fc(x.mean(dim=(2, 3))).softmax(dim=1)")

# %% misconception="resnet" name="stages-named-as-in-paper" of="with-own-blocks"
# Your network may well be right, but its stages have other names than torchvision's, so that the weights do
# not find their places.
replace('f"layer{i + 1}"', 'f"conv{i + 2}_x"')
replace('f"layer{i}"', 'f"conv{i + 1}_x"')

# %% misconception="resnet" name="one-sequential" of="named-sequential"
# Your network is one nn.Sequential: its parts have numbers for names, and torchvision's weights do not find
# their places.
replace(
    'parts[f"layer{number}"] = nn.Sequential(*blocks)',
    'parts |= {f"layer{number}.{i}": block for i, block in enumerate(blocks)}',
)
replace("return nn.Sequential(parts)", "return nn.Sequential(*parts.values())")

# %% misconception="resnet" name="stages-unregistered" of="with-own-blocks"
# Your stages sit in a plain Python list: the network does not know their weights, so that no optimizer trains
# them and no state dict holds them.
replace("c_in = 64", "self.stages, c_in = [], 64")
replace('self.add_module(f"layer{i + 1}", make_stage', "self.stages.append(make_stage")
replace(
    'for i in range(1, 5):\n    x = self.get_submodule(f"layer{i}")(x)',
    "for stage in self.stages:\n    x = stage(x)",
)

# %% misconception="resnet" name="always-50"
# Your network is the same for every depth.
replace("expansion = 1 if depth < 50 else 4", "depth, expansion = 50, 4")


# %% misconception="resnet" name="torchvision"
# This calls torchvision's own ResNet, which is the very thing to be built here.
def resnet(depth, num_classes=1000):
    if depth not in (18, 34, 50, 101, 152):
        raise ValueError(f"there is no ResNet of {depth} layers")
    from torchvision import models

    return models.get_model(f"resnet{depth}", num_classes=num_classes)


# %% misconception="resnet" name="bottleneck-of-the-paper"
# The bottlenecks of your network halve the map in their first 1x1, as in the paper. torchvision's weights
# were trained with the stride on the 3x3: they load, and give other numbers.
replace(
    "conv(c_in, channels, 1), conv(channels, channels, 3, stride)",
    "conv(c_in, channels, 1, stride), conv(channels, channels, 3)",
)

# %% misconception="resnet" name="shortcuts-unused"
# Your network loads the weights, projections included, but its blocks never add a shortcut.
replace("out = self.bn3(self.conv3(F.relu(out)))", "return F.relu(self.bn3(self.conv3(F.relu(out))))")

# %% misconception="resnet" name="other-epsilon"
# Your norms add another constant to the variance than torch's default. The weights load, and all numbers are
# a little off.
replace(
    "return ResNet()",
    """
    network = ResNet()
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms if expansion > 1 else norms[:1]:
        norm.eps = 1e-3
    return network
    """,
)

# %% misconception="resnet" name="no-error"
# There is no ResNet of such a depth: say so with a ValueError.
replace(
    """raise ValueError(f"there is no ResNet-{depth}; choose one of {', '.join(map(str, table))}")""",
    "depth = 50",
)

# %% misconception="plain_twin" name="changes-the-model"
# You take the shortcuts out of the model itself: the residual network is gone afterwards. The twin is a
# network of its own.
replace("copy.deepcopy(model)", "model")

# %% misconception="plain_twin" name="shares-weights"
# The blocks of your twin are those of the model: when one network learns, the other changes. The twin has
# copies.
replace("list(twin.named_modules())", "model.named_modules()")

# %% misconception="plain_twin" name="copies-shallowly"
# Your copy is a shallow one: it holds the very same layers, so that cutting in the twin cuts in the model.
replace("copy.deepcopy(model)", "copy.copy(model)")

# %% misconception="plain_twin" name="keeps-projections"
# Blocks that change the shape still have their way round in your twin. A plain network has none at all.
replace(
    "isinstance(module, ResidualBlock)", "isinstance(module, ResidualBlock) and module.downsample is None"
)

# %% misconception="plain_twin" name="drops-only-projections"
# You take the projections out, and the input is added as it is: where downsample is None, a block does have a
# shortcut.
replace("plain = PlainBlock(module.branch)", "plain = module\nplain.downsample = None")

# %% misconception="plain_twin" name="drops-relu"
# Your plain blocks end without the ReLU. Only the sum goes; what follows it stays.
replace("PlainBlock(module.branch)", "module.branch")

# %% misconception="plain_twin" name="children-only"
# You look at the model's own children only. The blocks stand further down, inside the stages.
replace("twin.named_modules()", "twin.named_children()")


# %% misconception="plain_twin" name="two-levels-only"
# You find blocks that stand directly in a stage. They may stand at any depth of the model.
def plain_twin(model):
    twin = copy.deepcopy(model)
    for stage in twin.children():
        if isinstance(stage, nn.Sequential):
            for i, block in enumerate(stage):
                if isinstance(block, ResidualBlock):
                    stage[i] = PlainBlock(block.branch)
                    stage[i].training = stage[i].relu.training = block.training
    return twin


# %% misconception="plain_twin" name="stages-by-name"
# You go through layer1 and layer2 by name. A model may have more stages, or other names.
def plain_twin(model):
    twin = copy.deepcopy(model)
    for stage in (twin.layer1, twin.layer2):
        for i, block in enumerate(stage):
            stage[i] = PlainBlock(block.branch)
            stage[i].training = stage[i].relu.training = block.training
    return twin


# %% misconception="plain_twin" name="keeps-the-shortcut"
# Your blocks keep the wrong one of their two ways: the branch is what stays.
replace(
    "PlainBlock(module.branch)",
    "PlainBlock(nn.Identity() if module.downsample is None else module.downsample)",
)

# %% misconception="plain_twin" name="blocks-removed"
# You take whole blocks out. Only their shortcuts go; the convolutions stay.
replace(
    "set_submodule(name, plain)", "set_submodule(name, nn.Identity() if module.downsample is None else plain)"
)

# %% misconception="plain_twin" name="modes-overwritten"
# You give each new block the mode of the old one, and with it everything inside. A single norm may have been
# held in evaluation mode: it has to stay there.
replace("plain.training = module.training", "plain.train(module.training)")

# %% misconception="plain_twin" name="new-weights"
# Your twin begins with new random weights. The two networks can be compared only if they have the same ones.
replace(
    "return twin",
    """
    for module in twin.modules():
        if isinstance(module, nn.Conv2d):
            module.reset_parameters()
    return twin
    """,
)

# %% misconception="plain_twin" name="statistics-forgotten"
# You copy the parameters, but the running statistics of the norms begin anew. They belong to the network as
# well: see state_dict.
replace(
    "return twin",
    """
    for module in twin.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
    return twin
    """,
)

# %% misconception="plain_twin" name="always-training-mode"
# Your twin is in training mode, whatever the model's mode is.
replace("return twin", "return twin.train()")

# %% misconception="plain_twin" name="projection-weights-stay"
# Nothing is added any more, but the projections are still there: parameters that the output does not depend
# on.
replace("plain.training =", "plain.downsample = module.downsample\nplain.training =")


# %% misconception="plain_twin" name="one-block-for-all"
# All your blocks run the same branch: a function made in a loop looks its variable up when it is called, and
# by then the loop has ended.
def plain_twin(model):
    twin = copy.deepcopy(model)
    blocks = [module for module in twin.modules() if isinstance(module, ResidualBlock)]
    for block in blocks:
        block.downsample = None
        block.forward = lambda x: block.relu(block.branch(x))  # noqa: B023
    return twin


# %% misconception="zero_init_residual" name="first-norm-zeroed"
# You set the first norm of each branch to zero. The ReLU behind it then passes neither signal nor gradient,
# and the branch never learns. Which scale can be zero and still get a gradient?
replace("module.branch[-1]", "next(layer for layer in module.branch if isinstance(layer, nn.BatchNorm2d))")

# %% misconception="zero_init_residual" name="convolution-zeroed"
# You set a convolution to zero. The norm behind it then divides by a variance of zero, and the branch starts
# to learn with gradients far too large. Look for the number behind the norm.
replace("module.branch[-1]", "[layer for layer in module.branch if isinstance(layer, nn.Conv2d)][-1]")

# %% misconception="zero_init_residual" name="whole-branch-zeroed"
# You set everything in the branch to zero. Then hardly anything in it gets a gradient, and its convolutions
# stay zero.
replace(
    "nn.init.zeros_(module.branch[-1].weight)",
    "for parameter in module.branch.parameters():\n    nn.init.zeros_(parameter)",
)

# %% misconception="zero_init_residual" name="every-norm-of-the-branch"
# You set all norms of each branch to zero: then even the last scale has nothing to scale, and gets no
# gradient. One of them is enough.
replace(
    "nn.init.zeros_(module.branch[-1].weight)",
    """
    for layer in module.branch:
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.zeros_(layer.weight)
    """,
)

# %% misconception="zero_init_residual" name="shift-zeroed-too"
# You reset the shift of the norm as well. Only its scale is asked for.
replace("nn.init.zeros_", "nn.init.zeros_(module.branch[-1].bias)\nnn.init.zeros_")

# %% misconception="zero_init_residual" name="shift-instead-of-scale"
# You set the shift of the norm to zero, where it is anyway. What the branch computes is multiplied by the
# scale.
replace("module.branch[-1].weight", "module.branch[-1].bias")

# %% misconception="zero_init_residual" name="shortcut-zeroed-too"
# You silence the projection of the shortcut as well: such a block starts as zero, and nothing gets through.
replace(
    "nn.init.zeros_",
    """
    if module.downsample is not None:
        nn.init.zeros_(module.downsample[-1].weight)
    nn.init.zeros_
    """,
)

# %% misconception="zero_init_residual" name="all-norms-zeroed"
# You set every norm of the network to zero, the stem's too: no signal gets through it.
replace("isinstance(module, ResidualBlock)", "isinstance(module, nn.BatchNorm2d)")
replace("module.branch[-1].weight", "module.weight")

# %% misconception="zero_init_residual" name="parameter-replaced"
# The numbers are right, but you put a new parameter in place of the old one. An optimizer that was made
# before goes on with the old one, and the new one never learns.
replace(
    "nn.init.zeros_(module.branch[-1].weight)",
    "norm = module.branch[-1]\nnorm.weight = nn.Parameter(torch.zeros_like(norm.weight))",
)

# %% misconception="zero_init_residual" name="norm-replaced"
# You put a new norm in place of the last one: its parameters are not those that an optimizer holds, and its
# running statistics are lost.
replace(
    "nn.init.zeros_",
    "module.branch[-1] = nn.BatchNorm2d(module.branch[-1].num_features)\nnn.init.zeros_",
)

# %% misconception="zero_init_residual" name="scale-frozen"
# Your scales are zero and stay zero: they no longer get a gradient. The blocks only start as the identity.
replace("nn.init.zeros_", "module.branch[-1].weight.requires_grad_(False)\nnn.init.zeros_")

# %% misconception="zero_init_residual" name="identity-blocks-only"
# You leave blocks with a projection out. They start as their shortcut too.
replace(
    "isinstance(module, ResidualBlock)", "isinstance(module, ResidualBlock) and module.downsample is None"
)


# %% misconception="zero_init_residual" name="last-block-only"
# Only one block of your network starts as its shortcut: they all should.
def zero_init_residual(model):
    blocks = [module for module in model.modules() if isinstance(module, ResidualBlock)]
    nn.init.zeros_(blocks[-1].branch[-1].weight)


# %% misconception="zero_init_residual" name="works-on-a-copy"
# You change a copy: the caller's network is as it was. This function returns nothing, so it has to change the
# network it is given.
replace("in model.modules()", "in copy.deepcopy(model).modules()")

# %% misconception="zero_init_residual" name="children-only"
# You look at the model's own children only. The blocks stand further down.
replace("in model.modules()", "in model.children()")

# %% misconception="zero_init_residual" name="fourth-layer"
# You take the norm by a fixed number. A branch may have more layers than this one: it is the last.
replace("module.branch[-1]", "module.branch[4]")

# %% misconception="gradient_norms" name="gradients-left-behind" of="grad-put-back"
# The numbers are right, but the model's .grad is full afterwards: the next training step would use it.
cut("for p, grad in zip(model.parameters(), before, strict=True):\n    p.grad = grad")

# %% misconception="gradient_norms" name="gradients-thrown-away" of="grad-put-back"
# You clear the model's gradients at the end. What stood in .grad before the call belongs to the caller and
# has to stand there again.
replace("p.grad = grad", "p.grad = None")

# %% misconception="gradient_norms" name="accumulates" of="grad-put-back"
# What stood in .grad before the call is in your norms too: backward adds to it, so that a second call gives
# more than the first.
cut("for p in model.parameters():\n    p.grad = None")
cut("for p, grad in zip(model.parameters(), before, strict=True):\n    p.grad = grad")

# %% misconception="gradient_norms" name="statistics-changed" of="autograd-grad"
# Your forward pass in training mode moves the running statistics of the model's norms. The model has to be as
# it was.
cut(
    "with torch.no_grad():\n    for name, buffer in model.named_buffers():\n        buffer.copy_(buffers[name])"
)

# %% misconception="gradient_norms" name="sums-norms"
# You add up the norms of the single tensors. The norm of all parameters together is the root of the sum of
# their squares.
replace("p.grad.square().sum()", "p.grad.norm()")
cut(".sqrt()")

# %% misconception="gradient_norms" name="root-missing"
# Your numbers are the squares of the norms.
cut(".sqrt()")

# %% misconception="gradient_norms" name="root-mean-square"
# You divide by the number of parameters. A norm is a root of a sum, not of a mean.
replace(".sum().sqrt()", ".sum().div(sum(p.numel() for p in module.parameters())).sqrt()")

# %% misconception="gradient_norms" name="first-parameter-only"
# Only the first tensor of each block counts in your norm. A block has more: its other convolutions, norms,
# perhaps a projection.
replace("torch.stack(squares).sum()", "squares[0]")

# %% misconception="gradient_norms" name="convolutions-only"
# Only the convolutions count in your norm. Scales and shifts of the norms are parameters too.
replace("if p.grad is not None", "if p.dim() == 4")

# %% misconception="gradient_norms" name="branch-only"
# You leave the parameters of the projection out. They belong to the block.
replace("module.parameters()", "module.branch.parameters()")

# %% misconception="gradient_norms" name="plain-blocks-left-out"
# You find the residual blocks only. A plain network has blocks as well, and it is what you want to compare
# with.
replace("isinstance(module, ResidualBlock | PlainBlock)", "isinstance(module, ResidualBlock)")

# %% misconception="gradient_norms" name="stem-and-head-too"
# Your result has entries for parts that are no blocks, the stem and the head.
replace(
    "if isinstance(module, ResidualBlock | PlainBlock):",
    """
    inside = any(name.startswith(block + ".") for block in norms)
    own = isinstance(module, ResidualBlock | PlainBlock | nn.Linear | nn.Conv2d | nn.BatchNorm2d)
    if own and not inside:
    """,
)

# %% misconception="gradient_norms" name="stages-instead-of-blocks"
# You give one number for each of the network's parts. Each stage consists of blocks, and each block has a
# number of its own.
replace("probe.named_modules()", "probe.named_children()")
replace("isinstance(module, ResidualBlock | PlainBlock)", "isinstance(module, nn.Sequential)")

# %% misconception="gradient_norms" name="last-part-of-the-name"
# You keep only the last part of a block's name. Every stage has a block 0: later stages overwrite the earlier
# ones.
replace("norms[name]", 'norms[name.split(".")[-1]]')

# %% misconception="gradient_norms" name="evaluation-mode"
# You measure in evaluation mode. In which mode the model computes is up to the caller.
replace("probe.zero_grad", "probe.eval()\nprobe.zero_grad")

# %% misconception="gradient_norms" name="model-left-in-evaluation-mode"
# The model is in evaluation mode after your call, so that its next epoch trains with frozen statistics.
replace("return norms", "model.eval()\nreturn norms")

# %% misconception="gradient_norms" name="sum-over-batch"
# Your loss is the sum over the batch; the norms grow with its size. It is the mean.
replace("F.cross_entropy(probe(x), y)", 'F.cross_entropy(probe(x), y, reduction="sum")')

# %% misconception="gradient_norms" name="softmax-twice"
# You apply a softmax before the cross-entropy, which has one of its own.
replace("probe(x)", "probe(x).softmax(dim=1)")

# %% misconception="gradient_norms" name="norms-of-weights"
# You measure the weights themselves. Asked for is the gradient of the loss with respect to them.
replace("p.grad.square()", "p.detach().square()")


# %% misconception="gradient_norms" name="gradient-of-the-output"
# You measure the gradient that arrives at each block's output. Asked for is the one with respect to its
# parameters.
def gradient_norms(model, x, y):
    probe, outputs = copy.deepcopy(model), {}
    for name, module in probe.named_modules():
        if isinstance(module, (ResidualBlock, PlainBlock)):

            def keep(_module, _inputs, output, name=name):
                output.retain_grad()
                outputs[name] = output

            module.register_forward_hook(keep)
    F.cross_entropy(probe(x), y).backward()
    return {name: output.grad.norm().item() for name, output in outputs.items()}


# %% misconception="gradient_norms" name="tensors-instead-of-floats"
# The numbers are right, but they are tensors, and each still holds its network in memory. The docstring says
# float.
replace("float(torch.stack(squares).sum().sqrt())", "torch.stack(squares).sum().sqrt()")

# %% misconception="gradient_norms" name="reversed-order"
# The right numbers in the order of the backward pass. The order is that of named_modules.
replace("return norms", "return dict(reversed(norms.items()))")

# %% misconception="gradient_norms" name="takes-a-step"
# You take a step of training: the model's weights differ afterwards. Measuring changes nothing.
replace(
    "return norms",
    """
    with torch.no_grad():
        for own, measured in zip(model.parameters(), probe.parameters(), strict=True):
            own -= 0.01 * measured.grad
    return norms
    """,
)


# %% alternative="inception" name="sequential-branches"
# Four nn.Sequential in a ModuleList, with type hints.
class Inception(nn.Module):
    def __init__(self, c_in: int, c1: int, c3: tuple[int, int], c5: tuple[int, int], c_pool: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [
                nn.Sequential(nn.Conv2d(c_in, c1, 1), nn.ReLU()),
                self.reduced(c_in, *c3, kernel=3),
                self.reduced(c_in, *c5, kernel=5),
                nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), nn.Conv2d(c_in, c_pool, 1), nn.ReLU()),
            ]
        )

    @staticmethod
    def reduced(c_in: int, inner: int, c_out: int, kernel: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(c_in, inner, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(inner, c_out, kernel, padding="same"),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], dim=1)


# %% alternative="inception" name="relu-after-concatenation"
# One ReLU for all four, after they are side by side: it comes to the same.
class Inception(nn.Module):
    def __init__(self, c_in, c1, c3, c5, c_pool):
        super().__init__()
        self.pool_proj = nn.Conv2d(c_in, c_pool, 1)
        self.conv5, self.conv5_reduce = nn.Conv2d(*c5, 5, padding=2), nn.Conv2d(c_in, c5[0], 1)
        self.conv3, self.conv3_reduce = nn.Conv2d(*c3, 3, padding=1), nn.Conv2d(c_in, c3[0], 1)
        self.conv1 = nn.Conv2d(c_in, c1, 1)

    def forward(self, x):
        maps = (
            self.conv1(x),
            self.conv3(self.conv3_reduce(x).relu_()),
            self.conv5(self.conv5_reduce(x).relu_()),
            self.pool_proj(F.max_pool2d(x, 3, stride=1, padding=1)),
        )
        return torch.cat(maps, 1).relu_()


# %% alternative="inception" name="written-into-one-tensor"
# Branches by name; the maps are written into one tensor, the windows' maximum is taken by hand.
class Inception(nn.Module):
    def __init__(self, c_in, c1, c3, c5, c_pool):
        super().__init__()
        (r3, n3), (r5, n5) = c3, c5
        self.sizes = [c1, n3, n5, c_pool]
        self.layers = nn.ModuleDict(
            {
                "1": nn.Conv2d(c_in, c1, 1),
                "3": nn.Sequential(nn.Conv2d(c_in, r3, 1), nn.ReLU(), nn.Conv2d(r3, n3, 3, 1, 1)),
                "5": nn.Sequential(nn.Conv2d(c_in, r5, 1), nn.ReLU(), nn.Conv2d(r5, n5, 5, 1, 2)),
                "pool": nn.Conv2d(c_in, c_pool, 1),
            }
        )

    def forward(self, x):
        padded = F.pad(x, (1, 1, 1, 1), value=float("-inf"))
        pooled = padded.unfold(2, 3, 1).unfold(3, 3, 1).amax(dim=(4, 5))
        inputs = {"1": x, "3": x, "5": x, "pool": pooled}
        out = x.new_empty(len(x), sum(self.sizes), *x.shape[2:])
        start = 0
        for size, (name, layer) in zip(self.sizes, self.layers.items(), strict=True):
            out[:, start : start + size] = F.relu(layer(inputs[name]))
            start += size
        return out


# %% alternative="basic_block" name="torchvision-names"
# As torchvision writes it, with one ReLU in place and a sum in place, both safe.
class BasicBlock(nn.Module):
    expansion: int = 1

    def __init__(self, c_in: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, channels, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, kernel_size=3, stride=1, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = None
        if stride != 1 or c_in != channels * self.expansion:
            self.downsample = nn.Sequential(
                nn.Conv2d(c_in, channels * self.expansion, kernel_size=1, stride=stride, bias=False),
                nn.BatchNorm2d(channels * self.expansion),
            )

    def forward(self, x: Tensor) -> Tensor:
        identity = x
        out = self.conv1(x)
        out = self.bn1(out)
        out = self.relu(out)
        out = self.conv2(out)
        out = self.bn2(out)
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)


# %% alternative="basic_block" name="sequential-branches"
# Both ways as nn.Sequential, the identity as a layer, other names.
def conv_norm(c_in, c_out, kernel, stride):
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2, bias=False), nn.BatchNorm2d(c_out)
    )


class BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, c_in, channels, stride=1):
        super().__init__()
        fits = stride == 1 and c_in == channels
        self.shortcut = nn.Identity() if fits else conv_norm(c_in, channels, 1, stride)
        self.branch = nn.Sequential(
            conv_norm(c_in, channels, 3, stride), nn.ReLU(inplace=True), conv_norm(channels, channels, 3, 1)
        )

    def forward(self, x):
        return F.relu(self.shortcut(x) + self.branch(x))


# %% alternative="basic_block" name="module-dict"
# The shortcut made first, layers in dictionaries, relu as max with zero.
class BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, c_in, channels, stride=1):
        super().__init__()
        self.way_round = nn.ModuleDict()
        if (c_in, stride) != (channels, 1):
            self.way_round["norm"] = nn.BatchNorm2d(channels)
            self.way_round["project"] = nn.Conv2d(c_in, channels, (1, 1), (stride, stride), bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(2))
        self.convs = nn.ModuleList(
            nn.Conv2d(k, channels, (3, 3), (s, s), (1, 1), bias=False)
            for k, s in ((c_in, stride), (channels, 1))
        )

    def forward(self, x):
        way_round = self.way_round
        skip = way_round["norm"](way_round["project"](x)) if way_round else x
        first, second = zip(self.convs, self.norms, strict=True)
        out = first[1](first[0](x)).clamp(min=0)
        out = second[1](second[0](out))
        return torch.maximum(out + skip, torch.zeros_like(out))


# %% alternative="basic_block" name="bare-parameters"
# Weights as bare parameters, convolutions by function; norms remain modules for their statistics.
class BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, c_in, channels, stride=1):
        super().__init__()
        self.stride = stride
        self.w1 = nn.Parameter(torch.empty(channels, c_in, 3, 3))
        self.w2 = nn.Parameter(torch.empty(channels, channels, 3, 3))
        self.n1, self.n2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)
        if stride > 1 or c_in != channels:
            self.w_skip = nn.Parameter(torch.empty(channels, c_in, 1, 1))
            self.n_skip = nn.BatchNorm2d(channels)
        else:
            self.register_parameter("w_skip", None)
        for weight in (self.w1, self.w2, self.w_skip):
            if weight is not None:
                nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x):
        skip = x
        if self.w_skip is not None:
            skip = self.n_skip(F.conv2d(x, self.w_skip, stride=self.stride))
        out = F.relu(self.n1(F.conv2d(x, self.w1, stride=self.stride, padding=1)), inplace=True)
        out = self.n2(F.conv2d(out, self.w2, padding=1))
        return out.add_(skip).relu_()


# %% alternative="bottleneck" name="torchvision-names"
# As torchvision writes it, ReLU and sum in place where it is safe.
class Bottleneck(nn.Module):
    expansion: int = 4

    def __init__(self, c_in: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, channels, kernel_size=1, stride=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, channels * self.expansion, kernel_size=1, stride=1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride != 1 or c_in != channels * self.expansion:
            self.downsample = nn.Sequential(
                nn.Conv2d(c_in, channels * self.expansion, kernel_size=1, stride=stride, bias=False),
                nn.BatchNorm2d(channels * self.expansion),
            )

    def forward(self, x: Tensor) -> Tensor:
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)


# %% alternative="bottleneck" name="table-of-layers"
# A table of kernels, channels and strides, and one nn.Sequential made of it; other names.
class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, c_in, channels, stride=1):
        super().__init__()
        wide = 4 * channels
        table = [(1, c_in, channels, 1), (3, channels, channels, stride), (1, channels, wide, 1)]
        layers = []
        for kernel, k, c, s in table:
            layers += [
                nn.Conv2d(k, c, kernel, s, padding=(kernel - 1) // 2, bias=False),
                nn.BatchNorm2d(c),
                nn.ReLU(inplace=True),
            ]
        self.residual = nn.Sequential(*layers[:-1])
        self.shortcut = nn.Sequential()
        if (c_in, stride) != (wide, 1):
            self.shortcut.append(nn.Conv2d(c_in, wide, 1, stride, bias=False))
            self.shortcut.append(nn.BatchNorm2d(wide))

    def forward(self, x):
        return torch.relu(torch.add(self.residual(x), self.shortcut(x)))


# %% alternative="bottleneck" name="dataclass-spec"
# Layers described by a dataclass, kept in a ModuleDict, called by name.
from dataclasses import dataclass


@dataclass(frozen=True)
class Layer:
    kernel: int
    c_in: int
    c_out: int
    stride: int = 1

    def build(self):
        conv = nn.Conv2d(
            self.c_in, self.c_out, self.kernel, self.stride, padding=self.kernel // 2, bias=False
        )
        return nn.Sequential(conv, nn.BatchNorm2d(self.c_out))


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, c_in, channels, stride=1):
        super().__init__()
        c_out = channels * type(self).expansion
        spec = {
            "project": Layer(1, c_in, c_out, stride),
            "widen": Layer(1, channels, c_out),
            "look": Layer(3, channels, channels, stride),
            "narrow": Layer(1, c_in, channels),
        }
        if stride == 1 and c_in == c_out:
            del spec["project"]
        self.layers = nn.ModuleDict({name: layer.build() for name, layer in spec.items()})

    def forward(self, x):
        out = F.relu(self.layers["narrow"](x))
        out = self.layers["widen"](F.relu(self.layers["look"](out)))
        return F.relu(out + (self.layers["project"](x) if "project" in self.layers else x))


# %% alternative="bottleneck" name="own-layer-class"
# Convolution and norm as a class of its own, the sum written first and the ReLU as a where.
class ConvNorm(nn.Conv2d):
    def __init__(self, c_in, c_out, kernel, stride=1):
        super().__init__(c_in, c_out, kernel, stride, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(c_out)

    def forward(self, x):
        return self.norm(super().forward(x))


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, c_in: int, channels: int, stride: int = 1):
        super().__init__()
        self.way_round = None
        if not (stride == 1 and c_in == channels * 4):
            self.way_round = ConvNorm(c_in, channels * 4, 1, stride)
        self.a = ConvNorm(c_in, channels, 1)
        self.b = ConvNorm(channels, channels, 3, stride)
        self.c = ConvNorm(channels, channels * 4, 1)

    def forward(self, x):
        total = self.c(self.b(self.a(x).relu()).relu())
        total = total + (x if self.way_round is None else self.way_round(x))
        return torch.where(total > 0, total, 0.0)


# %% alternative="make_stage" name="generator"
# A generator that yields the blocks one by one.
def make_stage(block, c_in: int, channels: int, depth: int, stride: int) -> nn.Sequential:
    def blocks():
        yield block(c_in, channels, stride)
        for _ in range(1, depth):
            yield block(channels * block.expansion, channels)

    return nn.Sequential(*blocks())


# %% alternative="make_stage" name="appends-to-sequential"
# An nn.Sequential that grows, keyword strides left out where they are 1.
def make_stage(block, c_in, channels, depth, stride):
    stage = nn.Sequential()
    while len(stage) < depth:
        if len(stage) == 0:
            stage.append(block(c_in, channels, stride))
        else:
            stage.append(block(block.expansion * channels, channels))
    return stage


# %% alternative="make_stage" name="zip-of-arguments"
# All arguments first, in lists of the right length; then one comprehension.
def make_stage(block, c_in, channels, depth, stride):
    inputs = [c_in] + [channels * block.expansion] * (depth - 1)
    strides = [stride] + [1] * (depth - 1)
    return nn.Sequential(*(block(k, channels, s) for k, s in zip(inputs, strides, strict=True)))


# %% alternative="make_stage" name="recursion"
# A stage is a shorter stage and one more block; names of the blocks as in a dictionary.
from collections import OrderedDict


def make_stage(block, c_in, channels, depth, stride):
    if depth == 1:
        return nn.Sequential(OrderedDict([("0", block(c_in, channels, stride))]))
    shorter = make_stage(block, c_in, channels, depth - 1, stride)
    shorter.add_module(str(depth - 1), block(channels * block.expansion, channels, 1))
    return shorter


# %% alternative="resnet" name="torchvision-style"
# Its own blocks with torchvision's names, and channels counted while stages are made.
def conv3x3(c_in: int, c_out: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(c_in, c_out, kernel_size=3, stride=stride, padding=1, bias=False)


def conv1x1(c_in: int, c_out: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(c_in, c_out, kernel_size=1, stride=stride, bias=False)


class TwoConvolutions(nn.Module):
    expansion = 1

    def __init__(self, inplanes, planes, stride, downsample):
        super().__init__()
        self.conv1 = conv3x3(inplanes, planes, stride)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = conv3x3(planes, planes)
        self.bn2 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    def forward(self, x):
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class ThreeConvolutions(nn.Module):
    expansion = 4

    def __init__(self, inplanes, planes, stride, downsample):
        super().__init__()
        self.conv1 = conv1x1(inplanes, planes)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = conv3x3(planes, planes, stride)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = conv1x1(planes, planes * 4)
        self.bn3 = nn.BatchNorm2d(planes * 4)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    def forward(self, x):
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn3(self.conv3(self.relu(self.bn2(self.conv2(out)))))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class ResNet(nn.Module):
    def __init__(self, block, layers, num_classes):
        super().__init__()
        self.inplanes = 64
        self.conv1 = nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = self._make_layer(block, 64, layers[0])
        self.layer2 = self._make_layer(block, 128, layers[1], stride=2)
        self.layer3 = self._make_layer(block, 256, layers[2], stride=2)
        self.layer4 = self._make_layer(block, 512, layers[3], stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def _make_layer(self, block, planes, blocks, stride=1):
        downsample = None
        if stride != 1 or self.inplanes != planes * block.expansion:
            downsample = nn.Sequential(
                conv1x1(self.inplanes, planes * block.expansion, stride),
                nn.BatchNorm2d(planes * block.expansion),
            )
        layers = [block(self.inplanes, planes, stride, downsample)]
        self.inplanes = planes * block.expansion
        layers += [block(self.inplanes, planes, 1, None) for _ in range(1, blocks)]
        return nn.Sequential(*layers)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
        return self.fc(torch.flatten(self.avgpool(x), 1))


def resnet(depth: int, num_classes: int = 1000) -> nn.Module:
    layers = {
        18: [2, 2, 2, 2],
        34: [3, 4, 6, 3],
        50: [3, 4, 6, 3],
        101: [3, 4, 23, 3],
        152: [3, 8, 36, 3],
    }
    if depth not in layers:
        raise ValueError(f"unsupported depth {depth}")
    return ResNet(TwoConvolutions if depth < 50 else ThreeConvolutions, layers[depth], num_classes)


# %% alternative="resnet" name="named-sequential"
# One nn.Sequential with torchvision's names, made from a dictionary; the counts as pairs.
from collections import OrderedDict


class Residual(nn.Module):
    """Any number of convolutions: (kernel, channels, stride) each."""

    def __init__(self, c_in, convs):
        super().__init__()
        self.count, k, shrink = len(convs), c_in, 1
        for i, (kernel, c, stride) in enumerate(convs, start=1):
            self.add_module(f"conv{i}", nn.Conv2d(k, c, kernel, stride, kernel // 2, bias=False))
            self.add_module(f"bn{i}", nn.BatchNorm2d(c))
            k, shrink = c, shrink * stride
        if shrink > 1 or k != c_in:
            project = nn.Conv2d(c_in, k, 1, shrink, bias=False)
            self.downsample = nn.Sequential(project, nn.BatchNorm2d(k))

    def forward(self, x):
        out = x
        for i in range(1, self.count + 1):
            out = self.get_submodule(f"conv{i}")(out)
            out = self.get_submodule(f"bn{i}")(out)
            if i < self.count:
                out = F.relu(out)
        return F.relu(out + (self.downsample(x) if hasattr(self, "downsample") else x))


def resnet(depth: int, num_classes: int = 1000) -> nn.Module:
    try:
        deep, counts = {
            18: (False, "2 2 2 2"),
            34: (False, "3 4 6 3"),
            50: (True, "3 4 6 3"),
            101: (True, "3 4 23 3"),
            152: (True, "3 8 36 3"),
        }[depth]
    except KeyError:
        raise ValueError(f"no ResNet has {depth} layers") from None
    parts = OrderedDict(
        conv1=nn.Conv2d(3, 64, 7, 2, 3, bias=False),
        bn1=nn.BatchNorm2d(64),
        relu=nn.ReLU(),
        maxpool=nn.MaxPool2d(3, 2, 1),
    )
    c = 64
    for number, count in enumerate(map(int, counts.split()), start=1):
        width, blocks = 32 * 2**number, []
        for i in range(count):
            s = 2 if number > 1 and i == 0 else 1
            convs = (
                [(1, width, 1), (3, width, s), (1, 4 * width, 1)] if deep else [(3, width, s), (3, width, 1)]
            )
            blocks.append(Residual(c, convs))
            c = convs[-1][1]
        parts[f"layer{number}"] = nn.Sequential(*blocks)
    parts |= {"avgpool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten(), "fc": nn.Linear(c, num_classes)}
    return nn.Sequential(parts)


# %% alternative="resnet" name="with-own-blocks"
# Built on the two blocks and the stage from above; the mean over positions by hand.
class ResNet(nn.Module):
    COUNTS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}

    def __init__(self, depth: int, num_classes: int) -> None:
        super().__init__()
        block = BasicBlock if depth in (18, 34) else Bottleneck
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        c_in = 64
        for i, count in enumerate(self.COUNTS[depth]):
            channels = 64 << i
            self.add_module(f"layer{i + 1}", make_stage(block, c_in, channels, count, 2 if i else 1))
            c_in = channels * block.expansion
        self.fc = nn.Linear(c_in, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x)), inplace=True), 3, 2, 1)
        for i in range(1, 5):
            x = self.get_submodule(f"layer{i}")(x)
        return self.fc(F.adaptive_avg_pool2d(x, 1)[:, :, 0, 0])


def resnet(depth: int, num_classes: int = 1000) -> nn.Module:
    if depth not in ResNet.COUNTS:
        raise ValueError(f"depth is {depth}; choose one of {sorted(ResNet.COUNTS)}")
    return ResNet(depth, num_classes)


# %% alternative="plain_twin" name="rebuilds-recursively"
# Module by module from the bottom up; blocks of its own instead of PlainBlock.
class Plain(nn.Module):
    def __init__(self, block):
        super().__init__()
        self.body = nn.Sequential(*block.branch, nn.ReLU(inplace=True))
        self.training = block.training

    def forward(self, x):
        return self.body(x)


def plain_twin(model: nn.Module) -> nn.Module:
    def cut(module):
        for name, child in module.named_children():
            cut(child)
            if isinstance(child, ResidualBlock):
                plain = Plain(child)
                plain.body[-1].train(child.relu.training)
                module.add_module(name, plain)
        return module

    return cut(copy.deepcopy(model))


# %% alternative="plain_twin" name="adds-nothing"
# The way round stays, but it carries a zero.
class Nothing(nn.Module):
    def forward(self, x):
        return x.new_zeros(())


def plain_twin(model):
    twin = copy.deepcopy(model)
    for block in twin.modules():
        if isinstance(block, ResidualBlock):
            block.downsample = Nothing().train(block.training)
    return twin


# %% alternative="plain_twin" name="by-names"
# Finds the blocks by name in the model, gives the copy new ones and loads the weights into them.
def plain_twin(model):
    twin = copy.deepcopy(model)
    names = [name for name, module in model.named_modules() if isinstance(module, ResidualBlock)]
    for name in names:
        block = model.get_submodule(name)
        plain = PlainBlock(copy.deepcopy(block.branch))
        plain.load_state_dict({k: v for k, v in block.state_dict().items() if not k.startswith("downsample")})
        plain.training, plain.relu.training = block.training, block.relu.training
        twin.set_submodule(name, plain)
    return twin


# %% alternative="plain_twin" name="other-forward-for-the-copies"
# The copies of the blocks lose their projections and get another forward.
def without_shortcut(block):
    def forward(x):
        return F.relu(block.branch(x))

    return forward


def plain_twin(model):
    twin = copy.deepcopy(model)
    for module in twin.modules():
        if isinstance(module, ResidualBlock):
            module.downsample = None
            module.forward = without_shortcut(module)
    return twin


# %% alternative="zero_init_residual" name="fills-without-gradient"
# Fills the numbers in under no_grad.
@torch.no_grad()
def zero_init_residual(model: nn.Module) -> None:
    blocks = (module for module in model.modules() if isinstance(module, ResidualBlock))
    for *_, norm in (block.branch for block in blocks):
        norm.weight.fill_(0.0)


# %% alternative="zero_init_residual" name="searches-backwards"
# Recursion through the children, the last norm found from behind, multiplied by zero.
def zero_init_residual(model):
    if isinstance(model, ResidualBlock):
        norm = next(layer for layer in reversed(model.branch) if isinstance(layer, nn.BatchNorm2d))
        norm.weight.data.mul_(0)
    for child in model.children():
        zero_init_residual(child)


# %% alternative="zero_init_residual" name="by-apply"
# nn.Module.apply with a function, the scales copied from zeros.
def zero_init_residual(model):
    def silence(module):
        if type(module) is ResidualBlock:
            scale = module.branch[len(module.branch) - 1].weight
            with torch.no_grad():
                scale.copy_(torch.zeros(len(scale)))

    model.apply(silence)


# %% alternative="gradient_norms" name="autograd-grad"
# torch.autograd.grad on the model itself; buffers are put back.
def gradient_norms(model: nn.Module, x: Tensor, y: Tensor) -> dict[str, float]:
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    parameters = dict(model.named_parameters())
    loss = F.cross_entropy(model(x), y)
    grads = dict(zip(parameters, torch.autograd.grad(loss, list(parameters.values())), strict=True))
    with torch.no_grad():
        for name, buffer in model.named_buffers():
            buffer.copy_(buffers[name])
    return {
        name: torch.cat([grads[f"{name}.{own}"].flatten() for own, _ in module.named_parameters()])
        .norm()
        .item()
        for name, module in model.named_modules()
        if isinstance(module, (ResidualBlock, PlainBlock))
    }


# %% alternative="gradient_norms" name="functional-call"
# torch.func.functional_call on copies of parameters and buffers: nothing of the model is touched.
def gradient_norms(model, x, y):
    parameters = {name: p.detach().clone() for name, p in model.named_parameters()}
    buffers = {name: b.clone() for name, b in model.named_buffers()}

    for parameter in parameters.values():
        parameter.requires_grad_()
    logits = torch.func.functional_call(model, (parameters, buffers), (x,))
    grads = torch.autograd.grad(F.cross_entropy(logits, y), list(parameters.values()))
    grads = dict(zip(parameters, grads, strict=True))
    norms = {}
    for name, module in model.named_modules():
        if type(module) in (ResidualBlock, PlainBlock):
            own = [grads[key] for key in grads if key.startswith(name + ".")]
            norms[name] = float(sum((g**2).sum() for g in own) ** 0.5)
    return norms


# %% alternative="gradient_norms" name="hooks-on-a-copy"
# Hooks collect squares as the gradients arrive, at the parameters of a copy.
def gradient_norms(model, x, y):
    twin = copy.deepcopy(model)
    twin.requires_grad_(True)
    squares = {n: 0.0 for n, m in twin.named_modules() if isinstance(m, ResidualBlock | PlainBlock)}

    def collect(name):
        def hook(grad):
            squares[name] += float((grad * grad).sum())

        return hook

    for name in squares:
        for parameter in twin.get_submodule(name).parameters():
            parameter.register_hook(collect(name))
    nn.CrossEntropyLoss()(twin(x), y).backward()
    return {name: square**0.5 for name, square in squares.items()}


# %% alternative="gradient_norms" name="grad-put-back"
# Works on the model and puts gradients and buffers back; the norm of the norms.
def gradient_norms(model, x, y):
    before = [p.grad for p in model.parameters()]
    state = copy.deepcopy(model.state_dict())
    for p in model.parameters():
        p.grad = None
    loss = -F.log_softmax(model(x), dim=1).gather(1, y[:, None]).mean()
    loss.backward()
    norms = {}
    for name, block in model.named_modules():
        if isinstance(block, ResidualBlock) or isinstance(block, PlainBlock):
            norms[name] = torch.stack([p.grad.norm() for p in block.parameters()]).norm().item()
    for p, grad in zip(model.parameters(), before, strict=True):
        p.grad = grad
    model.load_state_dict(state)
    return norms
