"""A small random network of every architecture, for tests that need no trained one."""


def own_nets():
    """Return a small network for each method whose weights only a person can bring."""
    from methods.networks import (
        autoencoders,
        bias_free,
        ding_liu,
        ircnn,
        mwcnn,
        mwrcanet,
        pyramid_family,
        rdn,
        searched,
    )

    return {
        "mwcnn": mwcnn.MWCNN(1, (4, 6, 6), 2),
        "mwcnn-v2": mwcnn.MWCNNv2(1, 2),
        "mwrcanet": mwrcanet.MWRCANet(3, (4, 6, 6), 1, 2),
        "mwresnet": mwrcanet.MWResNet(1, (4, 6, 6), 1),
        "searched": searched.SearchedNet(1, "dense", 1, (4, 6, 6)),
        "rdn": rdn.RDN(2, 2, 4, 4, 3),
        "rdn-small": rdn.RDN(2, 2, 4, 4, 3, predicts="noise"),
        "dae": autoencoders.DenoisingAutoencoder(64, 20),
        "dae-stacked": autoencoders.StackedAutoencoder((64, 30, 20)),
        "cnn-dae": autoencoders.ConvolutionalAutoencoder(4),
        "ding-liu": ding_liu.DingLiu(4),
        "bf-densenet": bias_free.DenseNet(2, 1, 4, 2, bias=False),
        "biased-densenet": bias_free.DenseNet(2, 1, 4, 2, bias=True),
        "ircnn": ircnn.IRCNN(1),
        "msbf-resnet": pyramid_family.PyramidDenoiser(pyramid_family.Design("resnet", 3, features=4, blocks=1)),
    }


def small_nets():
    """Return those of `own_nets`, and a small network for methods whose authors' weights can be had."""
    from methods.networks import adnet, bias_free, dncnn, ffdnet, gray_pyramids, multiscale

    return own_nets() | {
        "dncnn": dncnn.DnCNN(3, 1, 4, norm=True),
        "dncnn-3-luma": dncnn.DnCNN(3, 1, 4, norm=True),
        "fdncnn": dncnn.FDnCNN(3, 1, 4),
        "ffdnet": ffdnet.FFDNet(3, 1, 4),
        "adnet": adnet.ADNet(1, 4),
        "ecndnet": adnet.ECNDNet(1, 4),
        "bf-dncnn": bias_free.DnCNN(4, 4),
        "biased-dncnn": bias_free.DnCNN(4, 4, bias=True),
        "bf-unet": bias_free.UNet(4),
        "bf-rcnn": bias_free.RecurrentCNN(2, 1, 4),
        "resnet_5x5_bn_3x3": multiscale.Centred(gray_pyramids.network("v1.0.0", 2, 1, 4)),
    }
