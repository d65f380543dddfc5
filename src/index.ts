// The public list: all that other programs may use, by name. Nobody inside imports this file.

export { type DataSet, FOREIGN_LABEL, type ImageSet } from './data/image-set.ts';
export { readFolder } from './data/folder.ts';
export type { OwnImages } from './data/own-set.ts';
export type { SyntheticFormat } from './data/synthetic-files.ts';
export { type ArraySpec, type DType, float32, type HostArray, type Tree, uint32 } from './engine/array-spec.ts';
export { type Engine, type EngineOptions, openEngine, type Ports } from './engine/engine.ts';
export type { Device } from './engine/onnx-executor.ts';
export { childKey, fillBits, type Key, normals, permutation, secretKey, seedKey, uniforms } from './engine/keys.ts';
export type { BoundRun, Buffers, ModelProgram, Program } from './engine/program.ts';
export type { ArrayFunction } from './engine/trace.ts';
export { type FederationImages, federationSpec, type Plan, planOf } from './deployment/federation-spec.ts';
export { initServer, type NewServer } from './deployment/init-server.ts';
export { inviteSilo, revokeSilo } from './deployment/invitations.ts';
export { joinFederation, type JoinOptions } from './deployment/join.ts';
export { serveFederation, type ServeOptions } from './deployment/serve.ts';
export type { ServerEvent } from './deployment/server-events.ts';
export { type ServerLayout, serverLayout } from './deployment/server-folder.ts';
export { serverStatus, type ServerStatus } from './deployment/server-status.ts';
export type { SiloEvent } from './deployment/silo-events.ts';
export { type SiloLayout, siloLayout } from './deployment/silo-home.ts';
export { siloStatus, type SiloStatus } from './deployment/silo-status.ts';
export * from './errors.ts';
export { type DecoderContract, type ExpectedDecoder, inspectDecoder } from './exchange/inspect.ts';
export { type DecoderDescription, describeDecoder } from './exchange/describe-decoder.ts';
export { type LipschitzCertificate, lipschitzCertificate } from './exchange/lipschitz-certificate.ts';
export { type OpenDecoder, openDecoder, type OpenDecoderOptions } from './exchange/open-decoder.ts';
export { drawnClasses, type ProbeOptions, probeDecoder } from './exchange/probe.ts';
export { type DecoderFile, type SealRequest, seal } from './exchange/gate.ts';
export { declaredStatement, NO_PRIVACY } from './exchange/privacy-statement.ts';
export type {
  DeclaredPrivacy,
  DpSgdPrivacy,
  NoPrivacy,
  PrivacyStatement,
} from './exchange/privacy-statement-schema.ts';
export type { OfferedClasses, ReceivedRelease, Release, ReleasedDecoder } from './exchange/release.ts';
export type { Task } from './exchange/task.ts';
export type { ReceivedUpload, Upload } from './exchange/upload.ts';
export { verifyClaims } from './exchange/verify-claims.ts';
export type { WeightsUpdate } from './exchange/weights-update.ts';
export type { DataAccess } from './experiments/materials.ts';
export type { Diagnostics } from './experiments/diagnostic-fields.ts';
export { readEvents } from './experiments/event-log.ts';
export { findImages, type FoundImages, type InitPlan, type InitRequest, planInit } from './experiments/init.ts';
export { loadSpec } from './experiments/load-spec.ts';
export { parseSpec } from './experiments/parse-spec.ts';
export { type Preset, presets } from './experiments/presets.ts';
export { loadRelease, type NewRelease, type ReleaseFile, writeRelease } from './experiments/release-folder.ts';
export { type RunOptions, runExperiment } from './experiments/run.ts';
export type { RunEvent } from './experiments/run-events.ts';
export { closeRunFolder, openRunFolder, type RunFolder, resumeRunFolder } from './experiments/run-folder.ts';
export type { Spec, SpecInput } from './experiments/spec.ts';
export { specJsonSchema } from './experiments/spec-schema.ts';
export { type Metrics, readSummary, type Summary } from './experiments/summary.ts';
export { type AlignOptions, alignStrategy } from './federation/align.ts';
export type { RoundEvent } from './federation/events.ts';
export { type FedAvgOptions, fedAvgStrategy } from './federation/fedavg.ts';
export { localPort } from './federation/local-port.ts';
export { playRound, type Round, type RoundResult } from './federation/round.ts';
export type { SiloDiary, SiloProgress } from './federation/silo-diary.ts';
export type { SiloPort } from './federation/silo-port.ts';
export type { Strategy } from './federation/strategy.ts';
export { openSiloThreads, type SiloThreads } from './federation/thread-port.ts';
export type { Architecture } from './models/architecture.ts';
export { type Classifier, type ClassifierArchitecture, classifierOf, smallClassifier } from './models/classifier.ts';
export { type ConditionalVae, conditionalVaeOf, type LatentPrior } from './models/conditional-vae.ts';
export { exportDecoder } from './models/decoder-export.ts';
export type { ImageShape } from './models/image-shape.ts';
export { type Averaging, averagingByAccident, type AveragingOptions } from './evaluation/averaging.ts';
export { cnnFeatures, type CnnFeatureExtractor, type CnnFeatureOptions } from './evaluation/cnn-features.ts';
export type { FeatureExtractor } from './evaluation/feature-extractor.ts';
export {
  createGenerationJudge,
  type GenerationJudge,
  type GenerationOptions,
  type GenerationReport,
  judgeGeneration,
} from './evaluation/generation.ts';
export { type LatentOverlap, latentOverlap, type OverlapOptions } from './evaluation/latent-overlap.ts';
export { localLipschitz, type LocalLipschitz, type LocalLipschitzOptions } from './evaluation/local-lipschitz.ts';
export { onnxFeatures, type OnnxFeatureExtractor, type OnnxFeatureOptions } from './evaluation/onnx-features.ts';
export { type LeakageOptions, type OutlierLeakage, outlierLeakage } from './evaluation/outlier-leakage.ts';
export {
  type ClassifierEvaluator,
  type ClassifierJudgement,
  createClassifierEvaluator,
} from './evaluation/classifier-evaluator.ts';
export { createPriorSampler, type PriorSampler } from './evaluation/prior-samples.ts';
export { type Datasheet, readDatasheet } from './experiments/datasheet.ts';
export { type Forgotten, type ForgetOptions, forgetSilo } from './experiments/forget.ts';
export { evaluateOutliers, type OutlierOptions } from './experiments/outlier-evaluation.ts';
export { type OutlierFile, readOutliers } from './experiments/outlier-file.ts';
export { synthesise, type Synthesised, type SynthesiseOptions } from './experiments/synthesise.ts';
export type { SyntheticAmount } from './experiments/synthetic-draw.ts';
export { runSweep, type SweepEvent, type SweepOptions } from './experiments/sweep.ts';
export { readSweep, type SweepReport } from './experiments/sweep-file.ts';
export { planSweep, type SweepPlan, type SweepRequest } from './experiments/sweep-plan.ts';
export { exportLabelledDecoder, type LabelledDecoder } from './models/labelled-decoder.ts';
export { type LinearGaussian, linearGaussianOf, type LinearGaussianOptions } from './models/linear-gaussian.ts';
export { type Vae, vaeOf } from './models/vae.ts';
export { type DeltaBounds, deltaOf, type EpsilonBounds, epsilonOf, optimisticEpsilon } from './privacy/accountant.ts';
export {
  type AuditOptions,
  auditEpsilon,
  auditProfile,
  type EpsilonAudit,
  type ProfileAudit,
} from './privacy/audit-bounds.ts';
export type { AuditScores, ErrorRates } from './privacy/audit-scores.ts';
export { calibrateNoise, mostSteps } from './privacy/calibrate.ts';
export { type DpEvent, dpSgdEvent } from './privacy/dp-event.ts';
export { type DpMode, type DpSgdOptions, type DpSgdPlan, type PlannedWork, planDpSgd } from './privacy/dp-plan.ts';
export { type DpTrainingPlan, type FirstRelease, planDpTraining } from './privacy/dp-training-plan.ts';
export {
  type GaussianReleaseOptions,
  type GaussianReleasePlan,
  planGaussianRelease,
  releaseEvent,
} from './privacy/gaussian-release.ts';
export { createDpTrainers, type DpStepOptions, type DpTrainers } from './privacy/dp-trainer.ts';
export {
  type Ledger,
  type LedgerHandle,
  type LedgerOptions,
  openLedger,
  readLedger,
  setBudget,
} from './privacy/ledger.ts';
export type { Charge, ChargeRequest } from './privacy/ledger-charges.ts';
export type { Budget, Neighbours } from './privacy/ledger-entry.ts';
export {
  createGlobalClassifier,
  type GlobalClassifier,
  type GlobalClassifierOptions,
} from './server/global-classifier.ts';
export { createGlobalVae, type GlobalVae, type GlobalVaeOptions } from './server/global-vae.ts';
export {
  type DecoderTrials,
  type DecoderTrialsOptions,
  openDecoderTrials,
  type TrialHeader,
} from './server/guarded-trial.ts';
export type { TrialLimits } from './server/trial-child.ts';
export {
  drawLabelledPool,
  type LabelledPool,
  type LabelledPoolOptions,
  type LabelledShare,
} from './server/labelled-pool.ts';
export { drawPool, type Pool, type PoolOptions } from './server/pool.ts';
export { fitLinearGaussian, type LinearGaussianFit, type LinearGaussianJob } from './silo/linear-gaussian-fit.ts';
export { createSiloRunner, type SiloRunner } from './silo/silo.ts';
export type { SiloConfig } from './silo/silo-config.ts';
export { augmentedExamples, type AugmentationOptions, NO_AUGMENTATION } from './training/augmentation.ts';
export { classifierObjective, labelledExamples } from './training/classifier-objective.ts';
export { conditionalVaeObjective } from './training/conditional-vae-objective.ts';
export type { Objective } from './training/objective.ts';
export { type Examples, floatExamples } from './training/examples.ts';
export type { Trainer, TrainingOptions } from './training/trainer.ts';
